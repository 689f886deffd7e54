using System.Collections.Concurrent;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;
using Conclave.Transport;
using Conclave.Transport.Faults;
using CsCheck;

namespace Conclave.Parallel.Tests.Balancing;

/// <summary>Worlds whose loads drift: placements change under way, on all ranks before the same step, and no token notices.</summary>
public sealed class BalancerTests
{
    private static readonly ExchangeOptions Reduced = new(ExchangePath.TwoHop, PayloadFormat.F32, PayloadFormat.F32, CombineReduction.InHost);

    private static readonly BalancedWorld FourRanks = new() { Shape = new PlacementShape(experts: 12, slots: 16, groups: 1, hosts: 2, ranks: 4) };

    [Fact]
    public void NoTokenIsLostOrChangedWhereverExpertsMove()
    {
        int switches = 0;
        Gen.Int.Sample(
            seed =>
            {
                BalancedWorld world = RandomWorld(new Random(seed));
                ConcurrentBag<(long Chosen, long Computed)> counts = [];
                ConcurrentBag<ExpertPlacement> placements = [];
                FaultPlan plan = new() { Seed = seed, MostPollsHeld = 5 };
                world.Run(
                    seed,
                    rank => rank.Steps < 120,
                    rank =>
                    {
                        counts.Add((rank.Chosen, rank.Computed));
                        placements.Add(rank.Balancer.Placement);
                        Assert.Null(rank.Balancer.Report.Failure);
                    },
                    transport => seed % 2 == 0 ? transport : new FaultyTransport(transport, plan));
                Assert.Equal(counts.Sum(rank => rank.Chosen), counts.Sum(rank => rank.Computed));
                ExpertPlacement first = placements.First();
                Assert.All(placements, placement => AssertSame(first, placement));
                switches += (int)first.Epoch;
            },
            iter: 40,
            threads: 1);
        Assert.True(switches > 40, $"{switches} switches");
    }

    [Fact]
    public void LoadsGetMoreEvenly()
    {
        // A quarter of the experts has two thirds of the tokens and more.
        ExpertLoads? last = null;
        BalancedWorld world = FourRanks with
        {
            Planner = (loads, present) => PlacementPlanner.Plan(present.Shape, last = loads, present),
        };
        ExpertPlacement? reached = null;
        world.Run(7, rank => rank.Steps < 49, rank => reached = rank.Balancer.Placement);
        Assert.True(reached!.Epoch > 0);
        for (int layer = 0; layer < world.Layers; layer++)
        {
            Assert.InRange(LoadBalance.MaxOverMean(reached, last!, layer), 1, LoadBalance.MaxOverMean(world.Start, last!, layer) - 0.1);
        }
    }

    [Fact]
    public void ABudgetLimitsWhatMoves()
    {
        int plans = 0;
        BalancedWorld world = FourRanks with { Options = new BalancerOptions { WindowTokens = 50, MoveBudget = 2 } };
        world = world with
        {
            Planner = (loads, present) =>
            {
                ExpertPlacement next = PlacementPlanner.Plan(present.Shape, loads, present, world.Options.MoveBudget);
                Assert.InRange(next.CopiesFrom(present), 0, 2);
                plans++;
                return next;
            },
        };
        world.Run(3, rank => rank.Steps < 200, rank => Assert.InRange(rank.Balancer.Placement.Epoch, 2, plans));
    }

    [Fact]
    public void APlanThatFailsChangesNothing()
    {
        int plans = 0;
        BalancedWorld world = FourRanks with
        {
            Planner = (loads, present) => plans++ < 2
                ? throw new InvalidOperationException("no plan today") : PlacementPlanner.Plan(present.Shape, loads, present),
        };
        world.Run(1, rank => rank.Steps < 120, rank =>
        {
            Assert.True(rank.Balancer.Placement.Epoch > 0);
            const string What = "no new placement of experts could be planned: no plan today";
            BalanceReport report = rank.Balancer.Report;
            Assert.Equal(rank.Rank == 0 ? (2, What) : (0, null), (report.Abandoned, report.Failure));
            Assert.Equal(rank.Rank == 0 ? [$"{What}; experts stay where they are", $"{What}; experts stay where they are"] : [], rank.Warnings);
        });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void WhereOneRankCannotHoldAPlacementNobodySwitches(int failing)
    {
        int preparations = 0;
        BalancedWorld world = FourRanks with
        {
            Preparing = rank =>
            {
                if (rank == failing && ++preparations <= 3)
                {
                    throw new InvalidOperationException("no room");
                }
            },
        };
        world.Run(1, rank => rank.Steps < 200, rank =>
        {
            Assert.True(rank.Balancer.Placement.Epoch > 0);
            const string What = "this rank could not get the experts of a new placement: no room";
            BalanceReport report = rank.Balancer.Report;
            Assert.Equal((rank.Rank == 0 ? 3 : 0, rank.Rank == failing ? What : null), (report.Abandoned, report.Failure));
            Assert.Equal(Enumerable.Repeat($"{What}; experts stay where they are", rank.Rank == failing ? 3 : 0), rank.Warnings);
        });
    }

    [Fact]
    public void StepsDoNotWaitForASlowRank()
    {
        using ManualResetEventSlim slow = new();
        BalancedWorld world = FourRanks with
        {
            InBackground = true,
            Preparing = rank =>
            {
                if (rank == 3)
                {
                    slow.Wait();
                }
            },
        };
        world.Run(
            1,
            rank =>
            {
                if (rank.Steps == 300)
                {
                    Assert.Equal(0, rank.Balancer.Placement.Epoch);
                    slow.Set();
                }

                // All ranks switch before the same step, so they stop after the same one.
                Assert.InRange(rank.Steps, 0, 100_000);
                return rank.Steps < 300 || rank.Balancer.Placement.Epoch == 0;
            },
            rank => Assert.Equal(1, rank.Balancer.Placement.Epoch));
    }

    [Fact]
    public void NobodySwitchesBeforeAllKnowWhen()
    {
        // Ranks 0 and 3 send each other nothing but what they say about placements, so steps go on while that is on its way: longer than from the naming of a step to that step.
        BalancedWorld world = FourRanks with { Mode = Reduced };
        world.Run(
            1,
            rank => rank.Steps < 300,
            rank => Assert.True(rank.Balancer.Placement.Epoch > 1),
            transport => transport.Rank == 3 ? new SlowTransport(transport, slowPeer: 0, messages: 100) : transport);
    }

    [Fact]
    public void WhatDoesNotBelongTogetherIsRefused()
    {
        using Transport.InProcess.InProcessFabric fabric = new(FourRanks.Topology, new TransportOptions());
        using Kernels.WorkerTeam team = new(1);
        ExpertPlacement start = FourRanks.Start;
        ExpertPlacement other = Eplb.Plan(start.Shape, new ExpertLoads(1, 12, [.. Enumerable.Range(0, 12).Select(i => (double)i)]));
        SlotMap?[] slots = SlotMap.ByLayer(ExpertPlacement.InOrder(start.Shape, 1), [false, true]);
        RankedExchange exchange = new(fabric[0], FourRanks.Topology, slots, ExchangeOptions.Exact, 4, 2, Kernels.KernelSet.Best, team);
        foreach ((ExpertPlacement placement, BalancerOptions options) in new[]
        {
            (start, new BalancerOptions()), (other, new BalancerOptions()), (ExpertPlacement.InOrder(start.Shape, 1), new BalancerOptions { WindowTokens = 0 }),
            (ExpertPlacement.InOrder(start.Shape, 1), new BalancerOptions { MoveBudget = -1 }),
        })
        {
            Assert.ThrowsAny<ArgumentException>(() => new Balancer(exchange, placement, options, _ => { }, _ => () => { }, (_, present) => present, inBackground: false));
        }
    }

    [Fact]
    public void RanksWithoutTokensTakePart()
    {
        BalancedWorld world = FourRanks with { IsIdle = rank => rank != 2 };
        world.Run(5, rank => rank.Steps < 200, rank =>
        {
            Assert.True(rank.Balancer.Placement.Epoch > 0);
            Assert.True(rank.Computed > 0);
        });
    }

    [Fact]
    public void WhatWasReplacedIsFreed()
    {
        int registered = 0;
        FourRanks.Run(
            9,
            rank => rank.Steps < 1500,
            rank =>
            {
                Assert.InRange(rank.Tables.Count, 15, 1000);
                GC.Collect();
                Assert.InRange(rank.Tables.Count(table => table.IsAlive), 0, 2);
            },
            transport => new CountingTransport(transport, () => Interlocked.Increment(ref registered)));

        // For the exchange and for the side channel, once each.
        Assert.Equal(2 * 4, registered);
    }

    private static void AssertSame(ExpertPlacement expected, ExpertPlacement actual)
    {
        Assert.Equal(expected.Epoch, actual.Epoch);
        for (int layer = 0; layer < expected.Layers; layer++)
        {
            Assert.Equal(expected.Experts(layer).ToArray(), actual.Experts(layer).ToArray());
        }
    }

    private static BalancedWorld RandomWorld(Random random)
    {
        int ranks = random.Next(1, 9);
        int perRank = random.Next(2, 6);
        int experts = random.Next(perRank, (ranks * perRank) + 1);
        return new BalancedWorld
        {
            Shape = new PlacementShape(experts, ranks * perRank, groups: 1, random.Next(1, Math.Min(4, ranks) + 1), ranks),
            Layers = random.Next(1, 4),
            ExpertsPerToken = random.Next(1, Math.Min(4, experts) + 1),
            MaxTokens = random.Next(1, 9),
            Options = new BalancerOptions { WindowTokens = random.Next(10, 200), MoveBudget = random.Next(2) == 0 ? null : random.Next(1, 20) },
            Transport = new TransportOptions { Credits = random.Next(1, 4), MaxMessageBytes = random.Next(80, 400) },
            InBackground = random.Next(2) == 0,
            Mode = random.Next(2) == 0 ? ExchangeOptions.Exact : Reduced,
            IsIdle = rank => rank % 5 == 3,
        };
    }
}
