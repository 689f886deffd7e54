using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary><see cref="MlaPrepare"/>, in turn with its parts, run one after the other on the same instruction set.</summary>
/// <param name="model">Whose shape it is.</param>
/// <param name="shape">Dimensions of its attention.</param>
/// <param name="hidden">Width of the residual stream.</param>
/// <param name="queryRank">Width of the compressed query.</param>
/// <param name="format">How weights are stored.</param>
/// <param name="tokens">Rows of a step.</param>
public sealed unsafe class MlaPrepareCase(string model, LatentAttentionShape shape, int hidden, int queryRank, ElementFormat format, int tokens)
    : KernelCase(new KernelName("prepare", format, model, tokens))
{
    /// <inheritdoc/>
    public override KernelCase Slice => new MlaPrepareCase(model, shape with { Heads = 1 }, hidden, queryRank, format, 1);

    /// <inheritdoc/>
    public override KernelTimes Time(KernelSet kernels, WorkerTeam team, ColdWeights weights, int runs, CancellationToken cancellation)
    {
        SequentialMlaPrepare parts = new(kernels.MatMul, kernels.RmsNorm, kernels.Rotary, kernels.Codec);
        using NativeBuffer inputMemory = Activations(tokens, hidden, out TensorView input);
        using NativeBuffer queryMemory = NativeBuffer.ForF32(tokens, shape.Heads * shape.QueryDim, out TensorView query);
        using NativeBuffer angleMemory = Activations(tokens, shape.RopeDim / 2, out TensorView angles);
        using NativeBuffer queryNormMemory = Activations(1, queryRank, out TensorView queryNorm);
        using NativeBuffer latentNormMemory = Activations(1, shape.LatentDim, out TensorView latentNorm);
        using NativeBuffer cache = new((nint)LatentPages.TokensPerBlock * shape.CacheDim * sizeof(float));
        LatentPages pages = new(cache.Data, ElementFormat.F32, shape.CacheDim, 1);
        nint[] cacheRows = [.. Enumerable.Range(0, tokens).Select(token => (nint)token)];
        MlaPrepareWeights matrices = default;
        double[][] seconds = Time(runs, Next, [() => Run(kernels.MlaPrepare), () => Run(parts)], cancellation);
        return new KernelTimes(seconds[0], OperatorCost.MlaPrepare(matrices, tokens), seconds[1]);

        void Next() => matrices = new MlaPrepareWeights(
            weights.Next(format, queryRank, hidden),
            queryNorm,
            weights.Next(format, shape.Heads * shape.QueryDim, queryRank),
            weights.Next(format, shape.CacheDim, hidden),
            latentNorm,
            1e-6f);

        void Run(MlaPrepare prepare) => prepare.Run(shape, matrices, input, new RotaryAngles(angles, angles, Interleaved: true), pages, cacheRows, query, team);
    }
}
