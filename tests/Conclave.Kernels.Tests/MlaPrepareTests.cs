using CsCheck;

namespace Conclave.Kernels.Tests;

public sealed class MlaPrepareTests
{
    public static TheoryData<string> All => Sets.All;

    /// <summary>
    /// 1e-5 of a row's largest value: an element is a sum of at most 200 products with errors of 2^-24 each, once or twice over. 400 cases for each set
    /// stayed below 4e-6. A wrong norm, angle or row is off by about 1.
    /// </summary>
    [Theory, MemberData(nameof(All))]
    public void Queries_and_latents_are_near_their_definition(string set)
    {
        using WorkerTeam team = new(2);
        Gen.Int.Sample(
            seed =>
            {
                using MlaPrepareCase c = new(seed);
                double error = c.Error(KernelSet.Find(set).MlaPrepare, team);
                Assert.True(error < 1e-5, $"{error:E2} with {c.Shape}");
            },
            iter: 60,
            threads: 1);
    }

    [Theory, MemberData(nameof(All))]
    public void More_tokens_than_share_a_decoding_are_near_their_definition(string set)
    {
        using WorkerTeam team = new(2);

        // With a query bottleneck and without one.
        foreach (int seed in new[] { 1, 2, 3, 4 })
        {
            using MlaPrepareCase c = new(seed, tokens: 300);
            double error = c.Error(KernelSet.Find(set).MlaPrepare, team);
            Assert.True(error < 1e-5, $"{error:E2} with {c.Shape}");
        }
    }

    [Theory, MemberData(nameof(All))]
    public void The_fused_operator_has_the_bits_of_its_parts_one_after_the_other(string set)
    {
        KernelSet kernels = KernelSet.Find(set);
        SequentialMlaPrepare parts = new(kernels.MatMul, kernels.RmsNorm, kernels.Rotary, kernels.Codec);
        WorkerTeam[] teams = [new(1), new(2), new(3), new(5)];
        Gen.Int.Sample(
            seed =>
            {
                using MlaPrepareCase c = new(seed);
                (int[] query, int[] cache) = c.Run(kernels.MlaPrepare, teams[(uint)seed % 4]);
                (int[] queryOfParts, int[] cacheOfParts) = c.Run(parts, teams[0]);
                Assert.Equal(queryOfParts, query);
                Assert.Equal(cacheOfParts, cache);
            },
            iter: 150,
            threads: 1);
        Array.ForEach(teams, team => team.Dispose());
    }

    [Theory, MemberData(nameof(All))]
    public void A_row_outside_the_cache_is_refused(string set)
    {
        using WorkerTeam team = new(1);
        using MlaPrepareCase c = new(3, tokens: 2);
        c.CacheRows[1] = 5 * LatentPages.TokensPerBlock;
        ArgumentException e = Assert.Throws<ArgumentException>(() => c.Run(KernelSet.Find(set).MlaPrepare, team));
        Assert.Contains("row 320", e.Message, StringComparison.Ordinal);
        c.CacheRows[1] = -1;
        Assert.Throws<ArgumentException>(() => c.Run(KernelSet.Find(set).MlaPrepare, team));
    }
}
