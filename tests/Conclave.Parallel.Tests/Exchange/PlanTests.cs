using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Transport;
using CsCheck;

namespace Conclave.Parallel.Tests.Exchange;

public sealed class PlanTests
{
    [Fact]
    public void ForwardersShareTheWorkOfAnotherHost()
    {
        HostMap hosts = new(new Topology([7, 3, 7, 3, 7, 3, 3]));
        Assert.Equal((2, 7), (hosts.Hosts, hosts.World));
        Assert.Equal([1, 3, 5, 6], hosts.RanksOf(0).ToArray());
        Assert.Equal([0, 2, 4], hosts.RanksOf(1).ToArray());
        Assert.Equal([1, 1, 3, 3, 5, 5, 6], Enumerable.Range(0, 7).Select(rank => hosts.Forwarder(rank, 0)));
        Assert.Equal([0, 0, 2, 2, 4, 4, 0], Enumerable.Range(0, 7).Select(rank => hosts.Forwarder(rank, 1)));
    }

    [Fact]
    public void SlotMapsKnowTheirRanks()
    {
        SlotMap slots = new(4, [3, 0, 3, 1], [5, 6, 7, 5]);
        Assert.Equal([1], slots.SlotsOf(0).ToArray());
        Assert.Equal([], slots.SlotsOf(2).ToArray());
        Assert.Equal([0, 2], slots.SlotsOf(3).ToArray());
        Assert.Equal((1, 7, 3), (slots.LocalIndex(2), slots.ExpertOf(2), slots.RankOf(2)));
        Assert.Equal([2, 2, 2, 1], Enumerable.Range(0, 4).Select(rank => SlotMap.Even(4, 7).SlotsOf(rank).Length));
        Assert.Throws<ArgumentException>(() => new SlotMap(2, [2], [0]));
        Assert.Throws<ArgumentException>(() => new SlotMap(2, [0], [-1]));
        Assert.Throws<ArgumentException>(() => new SlotMap(2, [0], []));
    }

    [Fact]
    public void ATokenGoesOnceToEachDestinationWithItsExpertsInOrder() => Gen.Int.Sample(seed =>
    {
        ExchangeCase world = ExchangeCase.Random(seed, ExchangeOptions.Exact);
        HostMap hosts = new(world.Topology);
        SlotMap slots = world.SlotsByLayer[0];
        RankTokens tokens = world.Exchanges[0][0];
        foreach (bool byHost in new[] { false, true })
        {
            CopyPlan plan = new(world.MaxTokens, world.ExpertsPerToken, byHost ? hosts.Hosts : hosts.World);
            Func<int, int> destinationOf = slot => byHost ? hosts.HostOf(slots.RankOf(slot)) : slots.RankOf(slot);

            // Twice, for what the first filling leaves.
            Fill(plan, world, tokens, byHost ? hosts : null);
            Fill(plan, world, tokens, byHost ? hosts : null);
            var expected = tokens.Slots.SelectMany((chosen, token) => Enumerable.Range(0, chosen.Length).Where(i => chosen[i] >= 0)
                .GroupBy(i => destinationOf(chosen[i])).OrderBy(group => group.Key)
                .Select(group => (token, group.Key, string.Join(',', group.OrderBy(i => slots.ExpertOf(chosen[i])))))).ToArray();
            Assert.Equal(expected, Enumerable.Range(0, plan.Count).Select(Describe));
            for (int destination = 0; destination < (byHost ? hosts.Hosts : hosts.World); destination++)
            {
                Assert.Equal(expected.Where(copy => copy.Key == destination), plan.To(destination).ToArray().Select(Describe));
            }

            for (int token = 0; token < tokens.Slots.Length; token++)
            {
                (int first, int end) = plan.Of(token);
                Assert.Equal(expected.Where(copy => copy.token == token), Enumerable.Range(first, end - first).Select(Describe));
            }

            (int, int, string) Describe(int copy) => (plan.Token(copy), plan.Destination(copy), string.Join(',', plan.Choices(copy).ToArray()));
        }
    });

    [Fact]
    public unsafe void RoutingThatCannotBeIsRefused()
    {
        CopyPlan plan = new(1, 2, 2);
        SlotMap slots = new(2, [0, 1, 1], [0, 1, 0]);
        int* chosen = stackalloc int[] { 1, 1, 0 };
        float* weights = stackalloc float[3];
        Assert.Throws<ArgumentException>(() => plan.ByRank(new Routing(chosen, weights, 1, 2), slots));
        Assert.Throws<ArgumentException>(() => plan.ByRank(new Routing(chosen, weights, 1, 3), slots));
        Assert.Throws<ArgumentException>(() => plan.ByRank(new Routing(chosen, weights, 2, 1), slots));
        chosen[0] = 3;
        Assert.Throws<ArgumentException>(() => plan.ByRank(new Routing(chosen, weights, 1, 2), slots));
    }

    [Fact]
    public void EveryWayHasTwoEnds() => Gen.Int.Sample(seed =>
    {
        Topology topology = ExchangeCase.Random(seed, ExchangeOptions.Exact).Topology;
        HostMap hosts = new(topology);
        ExchangeOptions[] modes = [ExchangeOptions.Exact, ExchangeOptions.Flat, ExchangeOptions.Fast(PayloadFormat.BF16)];
        foreach (ExchangeOptions options in modes.Concat(modes.Where(mode => mode != ExchangeOptions.Flat).Select(mode => mode with { TokenRanks = [0, hosts.World - 1] })))
        {
            ExchangeWays[] ways = [.. Enumerable.Range(0, hosts.World).Select(rank => new ExchangeWays(rank, hosts, options))];
            foreach (MessageKind kind in Enum.GetValues<MessageKind>().Where(kind => kind != MessageKind.Side))
            {
                for (int rank = 0; rank < hosts.World; rank++)
                {
                    int[] targets = ways[rank].Targets(kind).ToArray();
                    Assert.Equal(targets.Order(), Enumerable.Range(0, hosts.World).Where(peer => ways[peer].Sources(kind).Contains(rank)));

                    // Only what has to crosses: tokens on the first of two hops, sums on the way back.
                    bool crosses = targets.Any(target => topology.Between(rank, target) == LinkClass.CrossHost);
                    Assert.True(!crosses || kind is MessageKind.Cross or MessageKind.Sum || (kind == MessageKind.Deliver && options == ExchangeOptions.Flat)
                        || (kind == MessageKind.Return && options.Reduction == CombineReduction.None));
                }
            }
        }
    });

    private static unsafe void Fill(CopyPlan plan, ExchangeCase world, RankTokens tokens, HostMap? hosts)
    {
        int[] slots = [.. tokens.Slots.SelectMany(chosen => chosen)];
        float[] weights = [.. tokens.Weights.SelectMany(row => row)];
        fixed (int* slotData = slots)
        fixed (float* weightData = weights)
        {
            Routing routing = new(slotData, weightData, tokens.Slots.Length, world.ExpertsPerToken);
            if (hosts is null)
            {
                plan.ByRank(routing, world.SlotsByLayer[0]);
            }
            else
            {
                plan.ByHost(routing, world.SlotsByLayer[0], hosts);
            }
        }
    }
}
