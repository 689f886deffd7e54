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
                float[][][][] results = InProcessWorld.Run(
                    world, seed, wrap: transport => seed % 2 == 0 ? transport : new FaultyTransport(transport, plan));
                for (int exchange = 0; exchange < results.Length; exchange++)
                {
                    for (int rank = 0; rank < results[exchange].Length; rank++)
                    {
                        Assert.Equal(Bits(PlainLoop.Combined(world, exchange, rank)), Bits(results[exchange][rank]));
                    }
                }
            },
            iter: 20,
            threads: 1);

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

    private static uint[][] Bits(float[][] rows) => Array.ConvertAll(rows, row => Array.ConvertAll(row, BitConverter.SingleToUInt32Bits));
}
