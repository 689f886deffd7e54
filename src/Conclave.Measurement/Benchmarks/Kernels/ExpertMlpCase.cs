using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary><see cref="ExpertMlp"/>: as many experts as a token or two choose, or as fit the buffer.</summary>
/// <param name="format">How weights are stored.</param>
/// <param name="inner">Inner width of an expert.</param>
/// <param name="hidden">Width of the residual stream.</param>
/// <param name="inputs">Input rows of each expert.</param>
public sealed class ExpertMlpCase(ElementFormat format, int inner, int hidden, int inputs)
    : KernelCase(new KernelName("experts", format, $"[{inner}, {hidden}]", inputs))
{
    private const int MostExperts = 16;
    private const int SliceWidth = 16;

    /// <inheritdoc/>
    public override KernelCase Slice => new ExpertMlpCase(format, SliceWidth, hidden, 1);

    /// <inheritdoc/>
    public override KernelTimes Time(KernelSet kernels, WorkerTeam team, ColdWeights weights, int runs, CancellationToken cancellation)
    {
        int experts = (int)nint.Min(MostExperts, ColdWeights.BufferBytes / (3 * (nint)inner * hidden * format.Size()));
        using NativeBuffer inputMemory = Activations(experts * inputs, hidden, out TensorView input);
        using NativeBuffer outputMemory = NativeBuffer.ForF32(experts * inputs, hidden, out TensorView output);
        MlpWeights[] mlps = new MlpWeights[experts];
        int[] offsets = [.. Enumerable.Range(0, experts + 1).Select(expert => expert * inputs)];
        double[] seconds = Time(
            runs,
            () =>
            {
                foreach (ref MlpWeights mlp in mlps.AsSpan())
                {
                    mlp = new MlpWeights(
                        weights.Next(format, inner, hidden), weights.Next(format, inner, hidden), weights.Next(format, hidden, inner));
                }
            },
            () => kernels.ExpertMlp.Run(mlps, new ExpertRows(offsets, []), input, output, team),
            cancellation);
        return new KernelTimes(seconds, OperatorCost.ExpertMlp(mlps, new ExpertRows(offsets, [])));
    }
}
