using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Linear projection with AVX2 and FMA.</summary>
public sealed class Avx2MatMul : MatMul
{
    /// <inheritdoc/>
    public override void Run(TensorView weights, TensorView input, TensorView output, WorkerTeam team) =>
        ProjectionMatMul<Avx2Projection>.Run(weights, input, output, team);
}
