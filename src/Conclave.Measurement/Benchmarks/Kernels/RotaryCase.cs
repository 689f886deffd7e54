using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary><see cref="Rotary"/> on the rotary parts of all heads' queries, from memory to memory.</summary>
/// <param name="model">Whose shape it is.</param>
/// <param name="shape">Dimensions of its attention.</param>
/// <param name="inputs">Rows.</param>
public sealed class RotaryCase(string model, LatentAttentionShape shape, int inputs) : KernelCase(new KernelName("rotary", ElementFormat.F32, model, inputs))
{
    /// <inheritdoc/>
    public override KernelCase Slice => new RotaryCase(model, shape, 1);

    /// <inheritdoc/>
    public override KernelTimes Time(KernelSet kernels, WorkerTeam team, ColdWeights weights, int runs, CancellationToken cancellation)
    {
        using NativeBuffer cosMemory = Angles(0.6f, out TensorView cos);
        using NativeBuffer sinMemory = Angles(0.8f, out TensorView sin);
        TensorView queries = default;
        double[] seconds = Time(
            runs,
            () => queries = weights.Next(ElementFormat.F32, inputs, shape.Heads * shape.QueryDim),
            () => kernels.Rotary.Run(queries, shape.Heads, shape.QueryDim, shape.NopeDim, cos, sin, interleaved: true, team),
            cancellation);
        return new KernelTimes(seconds, OperatorCost.Rotary(inputs, shape.Heads, cos));
    }

    // One angle everywhere, which keeps the length of what is turned in every call.
    private NativeBuffer Angles(float value, out TensorView view)
    {
        NativeBuffer buffer = NativeBuffer.ForF32(inputs, shape.RopeDim / 2, out view);
        for (int row = 0; row < inputs; row++)
        {
            view.RowF32(row).Fill(value);
        }

        return buffer;
    }
}
