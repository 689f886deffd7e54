using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary><see cref="LatentAttention"/>: the last rows of one sequence.</summary>
/// <param name="form">Which form computes it.</param>
/// <param name="model">Whose shape it is.</param>
/// <param name="shape">Dimensions.</param>
/// <param name="expansionFormat">How kv_b_proj is stored.</param>
/// <param name="cacheFormat">F32 or BF16.</param>
/// <param name="context">Positions up to the last row's.</param>
/// <param name="inputs">Rows.</param>
public sealed unsafe class LatentAttentionCase(
    AttentionForm form, string model, LatentAttentionShape shape, ElementFormat expansionFormat, ElementFormat cacheFormat, int context, int inputs)
    : KernelCase(new KernelName(form == AttentionForm.Absorbed ? "attention absorbed" : "attention expanded", cacheFormat, $"{model} at {context}", inputs))
{
    /// <inheritdoc/>
    public override KernelCase Slice => new LatentAttentionCase(
        form, model, shape with { Heads = 1 }, expansionFormat, cacheFormat, LatentPages.TokensPerBlock, Math.Min(inputs, LatentPages.TokensPerBlock));

    /// <inheritdoc/>
    public override KernelTimes Time(KernelSet kernels, WorkerTeam team, ColdWeights weights, int runs, CancellationToken cancellation)
    {
        LatentAttention attention = form == AttentionForm.Absorbed ? kernels.AbsorbedAttention : kernels.ExpandedAttention;
        int blocks = LatentCache.BlocksFor(context);

        // A buffer has one format at a time, and that of kv_b_proj is another one.
        using ColdWeights latents = new();
        using NativeBuffer queryMemory = Activations(inputs, (nint)shape.Heads * shape.QueryDim, out TensorView query);
        using NativeBuffer outputMemory = NativeBuffer.ForF32(inputs, (nint)shape.Heads * shape.ValueDim, out TensorView output);
        using NativeBuffer table = new((nint)blocks * sizeof(int));
        for (int block = 0; block < blocks; block++)
        {
            ((int*)table.Data)[block] = block;
        }

        AttentionSpan[] spans = [new AttentionSpan(0, inputs, context - inputs, (nint)table.Data)];
        TensorView expansion = default;
        LatentPages pages = default;
        double[] seconds = Time(
            runs,
            () =>
            {
                expansion = weights.Next(expansionFormat, (nint)shape.Heads * shape.HeadRows, shape.LatentDim);
                pages = new LatentPages(latents.Next(cacheFormat, (nint)blocks * LatentPages.TokensPerBlock, shape.CacheDim).Data, cacheFormat, shape.CacheDim, blocks);
            },
            () => attention.Run(shape, query, expansion, pages, spans, output, team),
            cancellation);
        return new KernelTimes(
            seconds,
            form == AttentionForm.Absorbed
                ? OperatorCost.AbsorbedAttention(shape, expansion, pages, spans)
                : OperatorCost.ExpandedAttention(shape, expansion, pages, spans));
    }
}
