using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Measurement.Tests;

/// <summary>What a call of each operator has to do at least, counted by hand.</summary>
public sealed class KernelCaseTests
{
    private static readonly LatentAttentionShape Shape = new(Heads: 2, NopeDim: 4, RopeDim: 2, ValueDim: 4, LatentDim: 8, Scale: 1);

    /// <summary>Bytes, then operations.</summary>
    public static TheoryData<KernelCase, double, double> Cases => new()
    {
        // Four blocks of scales.
        { new MatMulCase(ElementFormat.F8_E4M3, 130, 256, 3), (130 * 256) + (4 * 4), 2 * 130 * 256 * 3 },
        { new ExpertMlpCase(ElementFormat.BF16, 16, 32, 2), 16 * 3 * 16 * 32 * 2, 16 * 3 * 16 * 32 * 2 * 2 },
        { new MlaPrepareCase("", Shape, 16, 4, ElementFormat.BF16, 3), ((4 * 16) + (12 * 4) + (10 * 16)) * 2, ((4 * 16) + (12 * 4) + (10 * 16)) * 2 * 3 },

        // kv_b_proj [16, 8] and 70 rows of 10 latents; one query of two heads, or the six queries that see 65 to 70 positions.
        { new LatentAttentionCase(AttentionForm.Absorbed, "", Shape, ElementFormat.BF16, ElementFormat.F32, 70, 1), (16 * 8 * 2) + (70 * 10 * 4), 2 * 2 * ((8 * 8) + (70 * 18)) },
        { new LatentAttentionCase(AttentionForm.Expanded, "", Shape, ElementFormat.BF16, ElementFormat.BF16, 70, 6), (16 * 8 * 2) + (70 * 10 * 2), 2 * 2 * ((70 * 8 * 8) + (405 * 10)) },
        { new RmsNormCase(8, 2), 2 * 8 * 2 * 4, 4 * 8 * 2 },
        { new ScaledAddCase(8, 2), 3 * 8 * 2 * 4, 2 * 8 * 2 },

        // A pair for each of two heads in three rows; two blocks of scales for two rows.
        { new RotaryCase("", Shape, 3), 2 * 2 * 2 * 3 * 4, 6 * 2 * 3 },
        { new CodecCase(ElementFormat.F8_E4M3, 130, 2), (130 * 2) + (2 * 4), 130 * 2 },
    };

    [Fact]
    public void Every_operator_has_a_case() => Assert.Equal(
        ["add", "attention absorbed", "attention expanded", "decode", "experts", "matmul", "norm", "prepare", "rotary"],
        KernelBenchmark.Cases().Select(kernel => kernel.Name.Operator).Distinct().Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Cases), DisableDiscoveryEnumeration = true)]
    public void Costs_are_what_the_operator_reads_and_computes(KernelCase kernel, double bytes, double flops)
    {
        using WorkerTeam team = new(1);
        using ColdWeights weights = new();
        (double[] runs, OperatorCost cost, double[]? sequential) = kernel.Time(KernelSet.Best, team, weights, 2, TestContext.Current.CancellationToken);
        Assert.Equal((2, bytes, flops), (runs.Length, cost.Bytes, cost.Flops));
        Assert.All([.. runs, .. sequential ?? []], seconds => Assert.True(seconds > 0));
        Assert.Equal(kernel is MlaPrepareCase ? 2 : null, sequential?.Length);
    }

    [Fact]
    public void Every_operator_ends_before_its_next_call()
    {
        using WorkerTeam team = new(1);
        using ColdWeights weights = new();
        CancellationToken cancelled = new(canceled: true);
        Assert.All(
            Cases.Select(row => row.Data.Item1),
            kernel => Assert.Throws<OperationCanceledException>(() => kernel.Time(KernelSet.Best, team, weights, 2, cancelled)));
    }

    [Fact]
    public void The_time_of_a_sample_is_the_median_of_its_runs_in_any_order() =>
        Assert.Equal(2, new KernelSample(default, [3, 1, 2], default, default, 0, null).Seconds);
}
