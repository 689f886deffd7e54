using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Linear projection with AVX-512 F and BW.</summary>
public sealed class Avx512MatMul : MatMul
{
    /// <inheritdoc/>
    public override void Run(TensorView weights, TensorView input, TensorView output, WorkerTeam team) =>
        ProjectionMatMul<Avx512Projection>.Run(weights, input, output, team);
}
