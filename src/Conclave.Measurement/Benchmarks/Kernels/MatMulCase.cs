using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary><see cref="MatMul"/>.</summary>
/// <param name="format">How weights are stored.</param>
/// <param name="rows">Weight rows.</param>
/// <param name="columns">Weight columns.</param>
/// <param name="inputs">Input rows.</param>
public sealed class MatMulCase(ElementFormat format, int rows, int columns, int inputs)
    : KernelCase(new KernelName("matmul", format, $"[{rows}, {columns}]", inputs))
{
    private const int SliceRows = 16;

    /// <inheritdoc/>
    public override KernelCase Slice => new MatMulCase(format, SliceRows, columns, 1);

    /// <inheritdoc/>
    public override KernelTimes Time(KernelSet kernels, WorkerTeam team, ColdWeights weights, int runs, CancellationToken cancellation)
    {
        using NativeBuffer inputMemory = Activations(inputs, columns, out TensorView input);
        using NativeBuffer outputMemory = NativeBuffer.ForF32(inputs, rows, out TensorView output);
        TensorView matrix = default;
        double[] seconds = Time(
            runs,
            () => matrix = weights.Next(format, rows, columns),
            () => kernels.MatMul.Run(matrix, input, output, team),
            cancellation);
        return new KernelTimes(seconds, OperatorCost.MatMul(matrix, inputs));
    }
}
