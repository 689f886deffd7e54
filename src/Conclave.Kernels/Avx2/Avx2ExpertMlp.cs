using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Gated MLPs of many experts with AVX2 and FMA.</summary>
public sealed class Avx2ExpertMlp : ExpertMlp
{
    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<MlpWeights> experts, ExpertRows rows, TensorView input, TensorView output, WorkerTeam team) =>
        ProjectionExpertMlp<Avx2Projection>.Run(experts, rows, input, output, team);
}
