using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary><see cref="Codec.Decode"/> of rows that no cache holds, as those of an embedding are, on the calling thread.</summary>
/// <param name="format">How rows are stored.</param>
/// <param name="hidden">Width of a row.</param>
/// <param name="inputs">Rows.</param>
public sealed class CodecCase(ElementFormat format, int hidden, int inputs) : KernelCase(new KernelName("decode", format, $"[{hidden}]", inputs))
{
    /// <inheritdoc/>
    public override KernelCase Slice => new CodecCase(format, hidden, 1);

    /// <inheritdoc/>
    public override KernelTimes Time(KernelSet kernels, WorkerTeam team, ColdWeights weights, int runs, CancellationToken cancellation)
    {
        float[] values = new float[hidden];
        TensorView rows = default;
        double[] seconds = Time(
            runs,
            () => rows = weights.Next(format, inputs, hidden),
            () =>
            {
                for (int row = 0; row < inputs; row++)
                {
                    kernels.Codec.Decode(rows, row, values);
                }
            },
            cancellation);
        return new KernelTimes(seconds, OperatorCost.Decode(rows));
    }
}
