using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary><see cref="ScaledAdd"/> from memory to memory. Between the operators of a model caches hold the rows of a small step.</summary>
/// <param name="hidden">Width of a row.</param>
/// <param name="inputs">Rows.</param>
public sealed class ScaledAddCase(int hidden, int inputs) : KernelCase(new KernelName("add", ElementFormat.F32, $"[{hidden}]", inputs))
{
    /// <inheritdoc/>
    public override KernelCase Slice => new ScaledAddCase(hidden, 1);

    /// <inheritdoc/>
    public override KernelTimes Time(KernelSet kernels, WorkerTeam team, ColdWeights weights, int runs, CancellationToken cancellation)
    {
        TensorView x = default;
        TensorView y = default;
        double[] seconds = Time(
            runs,
            () => (x, y) = (weights.Next(ElementFormat.F32, inputs, hidden), weights.Next(ElementFormat.F32, inputs, hidden)),
            () => kernels.ScaledAdd.Run(x, 0.5f, y, team),
            cancellation);
        return new KernelTimes(seconds, OperatorCost.ScaledAdd(x));
    }
}
