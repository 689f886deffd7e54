using Conclave.Checkpoints;

namespace Conclave.Measurement;

/// <summary>A peer's speed, scaled to the machine of now.</summary>
/// <param name="Weights">The format of its weights.</param>
/// <param name="TokensPerSecond">What it would reach here if it used the same share of the limit. A computed figure: nothing of it ran here.</param>
public readonly record struct PeerFigure(string Weights, double TokensPerSecond);

/// <summary>
/// What ik_llama.cpp reached on a synthetic model of DeepSeek-V2-Lite's shape with 9 layers. The figures came with what was asked of this project's CPU engine;
/// they are of another machine, with 2 shared vCPUs and AVX2, 23–30 GB/s of sequential reads with both cores and 107–110 GFLOP/s of FP32 multiply-adds. They are scaled by the
/// limit that binds: by read bandwidth in decode, by multiply-add peak in prefill.
/// </summary>
public static class PeerFigures
{
    /// <summary>Whose figures they are.</summary>
    public const string Name = "ik_llama.cpp of 2026-08-15";

    // The midpoints of that machine's ranges.
    private const double PeerBandwidth = 26.5e9;
    private const double PeerPeak = 108.5e9;

    // In tokens per second; the Q4_0 run has no figure for batch 16.
    private static readonly Dictionary<Workload, (string Weights, double Rate)[]> Measured = new()
    {
        [new Workload(WorkloadPhase.Prefill, 512, 1)] = [("Q8_0", 76.4), ("Q4_0", 72.2), ("BF16", 53.3)],
        [new Workload(WorkloadPhase.Decode, 0, 1)] = [("Q8_0", 17.7), ("Q4_0", 21.9), ("BF16", 12.4)],
        [new Workload(WorkloadPhase.Decode, 0, 16)] = [("Q8_0", 24.7), ("BF16", 22.9)],
    };

    /// <summary>The peer's figures for a workload; none where the model or the workload is another one.</summary>
    /// <param name="config">The model that was measured here.</param>
    /// <param name="workload">What it did.</param>
    /// <param name="limits">This machine at that time.</param>
    public static IEnumerable<PeerFigure> For(ModelConfig config, Workload workload, MachineLimits limits)
    {
        double scale = workload.Phase == WorkloadPhase.Prefill ? limits.Peak / PeerPeak : limits.Bandwidth / PeerBandwidth;
        return IsSameShape(config) && Measured.TryGetValue(workload, out (string Weights, double Rate)[]? figures)
            ? figures.Select(figure => new PeerFigure(figure.Weights, figure.Rate * scale))
            : [];
    }

    // The peer's queries went through a bottleneck of 1024, the released ones do not: 1 % of what a token reads.
    private static bool IsSameShape(ModelConfig config) => config is
    {
        Layers: 9, HiddenSize: 2048, VocabularySize: 102400, Heads: 16, LatentDim: 512, NopeDim: 128, RopeDim: 64, ValueDim: 128,
        RoutedExperts: 64, ExpertsPerToken: 6, SharedExperts: 2, MoeIntermediateSize: 1408, IntermediateSize: 10944,
    };
}
