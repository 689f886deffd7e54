using Conclave.Checkpoints;
using Conclave.Conversion;

namespace Conclave.Measurement.Tests;

/// <summary>The peer's figures: only beside the same model and work, and scaled by the limit that binds.</summary>
public sealed class PeerFiguresTests
{
    private static readonly ModelConfig SameShape = ReleasedShapes.Find("deepseek-v2-lite", 9);

    /// <summary>Twice the bandwidth of the peer's machine, a third of its peak.</summary>
    private static readonly MachineLimits Limits = new(53e9, 108.5e9 / 3);

    [Fact]
    public void Decode_scales_with_the_bandwidth()
    {
        PeerFigure[] figures = [.. PeerFigures.For(SameShape, new Workload(WorkloadPhase.Decode, 0, 1), Limits)];
        Assert.Equal(["Q8_0", "Q4_0", "BF16"], figures.Select(figure => figure.Weights));
        Assert.Equal([35.4, 43.8, 24.8], figures.Select(figure => Math.Round(figure.TokensPerSecond, 9)));
        Assert.Equal(45.8, PeerFigures.For(SameShape, new Workload(WorkloadPhase.Decode, 0, 16), Limits).Single(figure => figure.Weights == "BF16").TokensPerSecond, 1e-9);
    }

    [Fact]
    public void Prefill_scales_with_the_peak() => Assert.Equal(
        53.3 / 3, PeerFigures.For(SameShape, new Workload(WorkloadPhase.Prefill, 512, 1), Limits).Single(figure => figure.Weights == "BF16").TokensPerSecond, 1e-9);

    [Fact]
    public void Other_work_and_other_models_have_none()
    {
        Assert.Empty(PeerFigures.For(SameShape, new Workload(WorkloadPhase.Prefill, 64, 1), Limits));
        Assert.Empty(PeerFigures.For(SameShape, new Workload(WorkloadPhase.Decode, 4096, 1), Limits));
        Assert.Empty(PeerFigures.For(ReleasedShapes.Find("deepseek-v2-lite"), new Workload(WorkloadPhase.Decode, 0, 1), Limits));
        Assert.Empty(PeerFigures.For(ReleasedShapes.Find("moonlight", 9), new Workload(WorkloadPhase.Decode, 0, 1), Limits));
    }
}
