using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary><see cref="RmsNorm"/> from memory to memory. Between the operators of a model caches hold the rows of a small step.</summary>
/// <param name="hidden">Width of a row.</param>
/// <param name="inputs">Rows.</param>
public sealed class RmsNormCase(int hidden, int inputs) : KernelCase(new KernelName("norm", ElementFormat.F32, $"[{hidden}]", inputs))
{
    /// <inheritdoc/>
    public override KernelCase Slice => new RmsNormCase(hidden, 1);

    /// <inheritdoc/>
    public override KernelTimes Time(KernelSet kernels, WorkerTeam team, ColdWeights weights, int runs, CancellationToken cancellation)
    {
        using NativeBuffer gainMemory = Activations(1, hidden, out TensorView gain);
        TensorView input = default;
        TensorView output = default;
        double[] seconds = Time(
            runs,
            () => (input, output) = (weights.Next(ElementFormat.F32, inputs, hidden), weights.Next(ElementFormat.F32, inputs, hidden)),
            () => kernels.RmsNorm.Run(input, gain, 1e-6f, output, team),
            cancellation);
        return new KernelTimes(seconds, OperatorCost.RmsNorm(input));
    }
}
