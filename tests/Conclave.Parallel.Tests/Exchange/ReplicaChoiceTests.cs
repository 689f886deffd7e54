using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Transport;
using CsCheck;

namespace Conclave.Parallel.Tests.Exchange;

public sealed class ReplicaChoiceTests
{
    // Ranks 0 and 1 on host 0, 2 and 3 on host 1. Expert 0 is on ranks 0, 1 and 2; expert 1 on rank 3 and 0.
    private static readonly HostMap Hosts = new(Topology.Even(4, 2));
    private static readonly SlotMap Slots = new(4, [0, 0, 1, 1, 2, 2, 3, 3], [0, 1, 0, 2, 0, 3, 1, 2]);

    [Theory]
    [InlineData(0, 0, new long[] { 5, 4, 0, 0 }, 2)] // the own host's lighter rank, though another host has a lighter one
    [InlineData(0, 0, new long[] { 4, 4, 0, 0 }, 0)] // of equal ones the own rank
    [InlineData(0, 1, new long[] { 4, 4, 0, 0 }, 2)]
    [InlineData(0, 3, new long[] { 0, 0, 9, 0 }, 4)] // the only one on the own host
    [InlineData(3, 0, new long[] { 0, 0, 9, 0 }, 5)] // the only one at all
    public void The_own_host_comes_first_then_the_least_load(int expert, int source, long[] loads, int slot) =>
        Assert.Equal(slot, ReplicaChoice.Choose(Slots, Hosts, expert, source, allHostsHaveTokens: true, loads));

    [Theory]
    [InlineData(0, 0, new long[] { 5, 4, 0, 0 }, 4)]
    [InlineData(0, 0, new long[] { 4, 4, 4, 0 }, 0)] // of equal ones the own rank
    [InlineData(0, 1, new long[] { 9, 4, 4, 0 }, 2)] // or one on the own host
    [InlineData(1, 1, new long[] { 4, 0, 0, 3 }, 6)]
    public void Where_hosts_have_no_tokens_the_least_load_comes_first(int expert, int source, long[] loads, int slot) =>
        Assert.Equal(slot, ReplicaChoice.Choose(Slots, Hosts, expert, source, allHostsHaveTokens: false, loads));

    [Fact]
    public void Choices_even_what_an_even_division_would_not()
    {
        // Expert 0 (on both ranks) has 90 tokens, expert 1 (rank 0) 10, expert 2 (rank 1) 50: 55 and 95 evenly, 75 and 75 by choice.
        SlotMap slots = new(2, [0, 0, 1, 1], [0, 1, 0, 2]);
        HostMap hosts = new(Topology.Even(2, 1));
        long[] loads = [10, 50];
        for (int token = 0; token < 90; token++)
        {
            loads[slots.RankOf(ReplicaChoice.Choose(slots, hosts, 0, token % 2, allHostsHaveTokens: true, loads))]++;
        }

        Assert.Equal([75, 75], loads);
    }

    [Fact]
    public void A_dispatch_chooses_by_its_own_routing_alone() => Gen.Int.Sample(
        seed =>
        {
            ExchangeCase world = ExchangeCase.Random(seed, ExchangeOptions.Exact);
            for (int rank = 0; rank < world.Topology.World; rank++)
            {
                ExchangeShape shape = new(rank, world.Topology, 1, world.Options, world.Columns, world.ExpertsPerToken, KernelSet.Best);
                using ChosenSlots chosen = new(shape, world.MaxTokens);
                for (int step = 0; step < world.Exchanges.Length; step++)
                {
                    RankTokens tokens = world.Exchanges[step][rank];
                    Assert.Equal(tokens.Slots, Choose(chosen, world.SlotsByLayer[step % 2], tokens.Experts, world.ExpertsPerToken));
                }
            }
        },
        iter: 100);

    [Fact]
    public void Experts_that_cannot_be_are_refused()
    {
        ExchangeShape shape = new(0, Topology.Even(4, 2), 2, ExchangeOptions.Exact, 4, 2, KernelSet.Best);
        using ChosenSlots chosen = new(shape, 1);
        Assert.Contains("expert 4", Assert.Throws<ArgumentException>(() => Choose(chosen, Slots, [[4, 0]], 2)).Message, StringComparison.Ordinal);
        Assert.Contains("expert 1", Assert.Throws<ArgumentException>(() => Choose(chosen, new SlotMap(4, [0, 1], [0, 2]), [[1, 0]], 2)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Choose(chosen, Slots, [[0, 1], [0, 1]], 2));
        Assert.Throws<ArgumentException>(() => Choose(chosen, Slots, [[0, 1, 2]], 3));
    }

    private static unsafe int[][] Choose(ChosenSlots chosen, SlotMap slots, int[][] experts, int k)
    {
        int[] flat = [.. experts.SelectMany(row => row), 0];
        fixed (int* data = flat)
        {
            Routing result = chosen.Choose(slots, new Routing(data, (float*)data, experts.Length, k));
            return [.. Enumerable.Range(0, experts.Length).Select(token => result.Experts(token).ToArray())];
        }
    }
}
