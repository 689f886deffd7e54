using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>A timed case.</summary>
/// <param name="Name">What was run.</param>
/// <param name="Runs">Seconds of each call, ascending.</param>
/// <param name="Limits">The machine at that time.</param>
/// <param name="Cost">What a call has to do.</param>
/// <param name="ReferenceSeconds">What the scalar reference would take, from a slice of it.</param>
/// <param name="SequentialSeconds">Median time of its parts one after the other, where it fuses some.</param>
public sealed record KernelSample(KernelName Name, double[] Runs, MachineLimits Limits, OperatorCost Cost, double ReferenceSeconds, double? SequentialSeconds)
{
    /// <summary>Median time of a call.</summary>
    public double Seconds => RunRatio.MedianOf(Runs);

    /// <summary>What the call needs at least, as a share of its time.</summary>
    public double RooflineShare => Limits.Roofline(Cost) / Seconds;
}

/// <summary>Times single operators on weights that no cache holds.</summary>
public sealed class KernelBenchmark(KernelSet kernels, WorkerTeam team, MachineProbe probe, ColdWeights weights)
{
    private const int ReferenceRuns = 5;

    /// <summary>
    /// Projections, experts, what comes before attention and both forms of attention on the shapes of DeepSeek-V2-Lite and V3, the first two in all formats of weights;
    /// norms, additions, rotations and the decoding of embedding rows on the rows of a decode step and a prefill chunk.
    /// </summary>
    public static IEnumerable<KernelCase> Cases() => [.. Projections(), .. Prepares(), .. Attention(), .. Rows()];

    /// <summary>Times a case.</summary>
    /// <param name="kernel">What to run.</param>
    /// <param name="runs">Calls of which the median is taken.</param>
    /// <param name="cancellation">Looked at before each call.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public KernelSample Run(KernelCase kernel, int runs, CancellationToken cancellation)
    {
        MachineLimits before = probe.Measure(team);
        (double[] seconds, OperatorCost cost, double[]? sequential) = kernel.Time(kernels, team, weights, runs, cancellation);
        MachineLimits after = probe.Measure(team);
        Array.Sort(seconds);
        return new KernelSample(
            kernel.Name, seconds, MachineLimits.Mean(before, after), cost, cost.Flops * ReferenceSecondsPerFlop(kernel.Slice, cancellation), sequential is null ? null : RunRatio.MedianOf(sequential));
    }

    /// <summary>V2-Lite's query projection and experts, V3's query down-projection and one expert's gate, fable's experts.</summary>
    private static IEnumerable<KernelCase> Projections()
    {
        foreach (ElementFormat format in new[] { ElementFormat.F8_E4M3, ElementFormat.BF16, ElementFormat.F16, ElementFormat.F32 })
        {
            foreach ((int rows, int columns) in new[] { (3072, 2048), (1536, 7168), (2048, 7168) })
            {
                foreach (int inputs in new[] { 1, 2, 4, 8, 16, 64, 512 })
                {
                    yield return new MatMulCase(format, rows, columns, inputs);
                }
            }

            foreach ((int inner, int hidden) in new[] { (1408, 2048), (64, 256) })
            {
                foreach (int inputs in new[] { 1, 4, 32 })
                {
                    yield return new ExpertMlpCase(format, inner, hidden, inputs);
                }
            }
        }
    }

    /// <summary>Fable, V2-Lite with a query bottleneck of 1024 (the released one has none), and V3, with 1 to 8 tokens.</summary>
    private static IEnumerable<KernelCase> Prepares()
    {
        (string, LatentAttentionShape, int, int)[] models =
        [
            ("fable", new LatentAttentionShape(8, 32, 16, 32, 128, 1), 256, 128),
            ("V2-Lite", Shape(heads: 16), 2048, 1024),
            ("V3", Shape(heads: 128), 7168, 1536),
        ];
        foreach ((string model, LatentAttentionShape shape, int hidden, int rank) in models)
        {
            foreach (int tokens in new[] { 1, 2, 4, 8 })
            {
                yield return new MlaPrepareCase(model, shape, hidden, rank, ElementFormat.F8_E4M3, tokens);
            }
        }
    }

    /// <summary>A generated token far into a sequence, and a prompt; kv_b_proj in the format of the released weights.</summary>
    private static IEnumerable<KernelCase> Attention()
    {
        (string, LatentAttentionShape, ElementFormat)[] models =
            [("V2-Lite", Shape(heads: 16), ElementFormat.BF16), ("V3", Shape(heads: 128), ElementFormat.F8_E4M3)];
        foreach ((string model, LatentAttentionShape shape, ElementFormat expansion) in models)
        {
            foreach (ElementFormat cache in new[] { ElementFormat.F32, ElementFormat.BF16 })
            {
                foreach (int context in new[] { 1024, 4096, 8192 })
                {
                    yield return new LatentAttentionCase(AttentionForm.Absorbed, model, shape, expansion, cache, context, 1);
                }

                yield return new LatentAttentionCase(AttentionForm.Expanded, model, shape, expansion, cache, 512, 512);
            }
        }
    }

    private static IEnumerable<KernelCase> Rows()
    {
        foreach (int hidden in new[] { 2048, 7168 })
        {
            foreach (int inputs in new[] { 1, 512 })
            {
                yield return new RmsNormCase(hidden, inputs);
                yield return new ScaledAddCase(hidden, inputs);
            }
        }

        foreach (int inputs in new[] { 1, 512 })
        {
            yield return new RotaryCase("V2-Lite", Shape(heads: 16), inputs);
            yield return new RotaryCase("V3", Shape(heads: 128), inputs);
            yield return new CodecCase(ElementFormat.F8_E4M3, 7168, inputs);
            yield return new CodecCase(ElementFormat.BF16, 7168, inputs);
        }
    }

    private static LatentAttentionShape Shape(int heads) => new(heads, NopeDim: 128, RopeDim: 64, ValueDim: 128, LatentDim: 512, Scale: 1);

    /// <summary>On one thread, like all of the reference.</summary>
    private double ReferenceSecondsPerFlop(KernelCase slice, CancellationToken cancellation)
    {
        using WorkerTeam alone = new(1);
        (double[] seconds, OperatorCost cost, _) = slice.Time(KernelSet.Supported[0], alone, weights, ReferenceRuns, cancellation);
        return seconds.Min() / cost.Flops;
    }
}
