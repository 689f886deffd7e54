using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Gated MLPs of many experts with AVX-512 F and BW.</summary>
public sealed class Avx512ExpertMlp : ExpertMlp
{
    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<MlpWeights> experts, ExpertRows rows, TensorView input, TensorView output, WorkerTeam team) =>
        ProjectionExpertMlp<Avx512Projection>.Run(experts, rows, input, output, team);
}
