using System.Collections.Immutable;
using Conclave.Parallel.Exchange;
using Conclave.Transport.Faults;
using CsCheck;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>Bits against a plain loop, in the manner of DeepEP's tests: all formats and ways, in random worlds.</summary>
public sealed class RankedExchangeTests
{
    public static TheoryData<ExchangePath, PayloadFormat, PayloadFormat, CombineReduction> Modes()
    {
        TheoryData<ExchangePath, PayloadFormat, PayloadFormat, CombineReduction> modes = [];
        foreach (PayloadFormat dispatch in Enum.GetValues<PayloadFormat>())
        {
            foreach (PayloadFormat combine in Enum.GetValues<PayloadFormat>())
            {
                modes.Add(ExchangePath.OneHop, dispatch, combine, CombineReduction.None);
                modes.Add(ExchangePath.TwoHop, dispatch, combine, CombineReduction.None);
                modes.Add(ExchangePath.TwoHop, dispatch, combine, CombineReduction.InHost);
            }
        }

        return modes;
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void ResultsAreThoseOfAPlainLoop(ExchangePath path, PayloadFormat dispatch, PayloadFormat combine, CombineReduction reduction) =>
        Gen.Int.Sample(
            seed =>
            {
                // In half of the worlds only some ranks have tokens.
                int[]? tokenRanks = (uint)seed % 4 < 2 ? null : [.. Enumerable.Range(0, 16).Where(rank => rank == 0 || (rank + (uint)seed) % 3 == 0)];
                ExchangeCase world = ExchangeCase.Random(seed, new ExchangeOptions(path, dispatch, combine, reduction) { TokenRanks = tokenRanks });

                // Half of the worlds get their messages late, and peers overtake one another.
                FaultPlan plan = new() { Seed = seed, MostPollsHeld = 5 };
                AssertPlainLoop(world, InProcessWorld.Run(world, seed, wrap: transport => seed % 2 == 0 ? transport : new FaultyTransport(transport, plan)));
            },
            iter: 20,
            threads: 1);

    [Theory]
    [MemberData(nameof(Modes))]
    public void OverUcxToo(ExchangePath path, PayloadFormat dispatch, PayloadFormat combine, CombineReduction reduction)
    {
        // Other worlds for each mode, all of several hosts.
        int first = 1000 * ((int)path + (2 * (int)dispatch) + (6 * (int)combine) + (18 * (int)reduction));
        ExchangeOptions options = new(path, dispatch, combine, reduction);
        foreach (ExchangeCase world in Enumerable.Range(first, 100).Select(seed => ExchangeCase.Random(seed, options, maxWorld: 6)).Where(world => world.Topology.HostOfRank.Max() > 0).Take(3))
        {
            AssertPlainLoop(world, InProcessWorld.RunOverUcx(world));
        }
    }

    [Fact]
    public void WhereAPeerIsLostAllEndAndNameIt()
    {
        int lost = 0;
        Gen.Int.Sample(
            seed =>
            {
                Random random = new(seed);
                ExchangeOptions options = random.Next(2) == 0 ? ExchangeOptions.Exact : ExchangeOptions.Fast(PayloadFormat.BF16);
                ExchangeCase world = ExchangeCase.Random(seed, options);
                int ranks = world.Topology.World;
                int victim = random.Next(ranks);
                FaultPlan[] plans =
                [
                    .. Enumerable.Range(0, ranks).Select(rank => new FaultPlan
                    {
                        Seed = seed,
                        MostPollsHeld = random.Next(5),
                        LostAfter = rank == victim ? ImmutableDictionary<int, long>.Empty : ImmutableDictionary<int, long>.Empty.Add(victim, random.Next(40)),
                    }),
                ];
                PeerException?[] ends = new PeerException?[ranks];
                float[][][][] results = InProcessWorld.Results(world);
                InProcessWorld.Run(
                    world.Topology,
                    world.Transport,
                    seed,
                    transport =>
                    {
                        try
                        {
                            InProcessWorld.RunRank(world, new FaultyTransport(transport, plans[transport.Rank]), results);
                        }
                        catch (PeerException e)
                        {
                            ends[transport.Rank] = e;
                        }
                    },
                    patience: TimeSpan.FromSeconds(30));
                for (int rank = 0; rank < ranks; rank++)
                {
                    if (rank == victim)
                    {
                        continue;
                    }

                    // A rank that has ended is lost to the others, who then may not have noticed yet who was lost first.
                    int named = rank;
                    for (int links = 0; named != victim && ends[named] is { } end; links++)
                    {
                        Assert.InRange(links, 0, ranks);
                        named = end.Rank;
                    }

                    if (ends[rank] is null)
                    {
                        Assert.Equal(Bits(PlainLoop.Combined(world, results.Length - 1, rank)), Bits(results[^1][rank]));
                        continue;
                    }

                    Assert.Equal(victim, named);
                    lost++;
                }
            },
            iter: 60,
            threads: 1);
        Assert.InRange(lost, 60, int.MaxValue);
    }

    [Theory]
    [InlineData(PayloadFormat.F32)]
    [InlineData(PayloadFormat.BF16)]
    [InlineData(PayloadFormat.E4M3)]
    public void ReducedResultsKeepTheStatedBound(PayloadFormat combine) =>
        Gen.Int.Sample(
            seed =>
            {
                ExchangeOptions options = new(ExchangePath.TwoHop, PayloadFormat.E4M3, combine, CombineReduction.InHost);
                ExchangeCase world = ExchangeCase.Random(seed, options, maxWorld: 8);
                float[][][][] results = InProcessWorld.Run(world, seed);
                for (int exchange = 0; exchange < results.Length; exchange++)
                {
                    for (int rank = 0; rank < results[exchange].Length; rank++)
                    {
                        for (int token = 0; token < results[exchange][rank].Length; token++)
                        {
                            (double[] sum, double[] bound) = PlainLoop.Bounded(world, exchange, rank, token);
                            Assert.All(results[exchange][rank][token], (value, i) => Assert.InRange(Math.Abs(value - sum[i]), 0, bound[i]));
                        }
                    }
                }
            },
            iter: 20,
            threads: 1);

    private static void AssertPlainLoop(ExchangeCase world, float[][][][] results)
    {
        for (int exchange = 0; exchange < results.Length; exchange++)
        {
            for (int rank = 0; rank < results[exchange].Length; rank++)
            {
                Assert.Equal(Bits(PlainLoop.Combined(world, exchange, rank)), Bits(results[exchange][rank]));
            }
        }
    }

    private static uint[][] Bits(float[][] rows) => Array.ConvertAll(rows, row => Array.ConvertAll(row, BitConverter.SingleToUInt32Bits));
}
