using Conclave.Kernels;
using Conclave.Parallel.Exchange;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>Tokens that are not numbers travel as such, in every format, and leave the others as they are.</summary>
public sealed class NotANumberTests
{
    public static TheoryData<string> Sets => [.. KernelSet.Supported.ToArray().Select(set => set.Name)];

    [Theory]
    [MemberData(nameof(Sets))]
    public unsafe void CodecsKeepThem(string set)
    {
        int[] places = [0, 5, 6, 40, 130, 199];
        Random random = new(1);
        float[] plain = [.. Enumerable.Range(0, 200).Select(i => places.Contains(i) ? 0 : random.NextSingle() - 0.5f)];
        float[] holed = [.. plain.Select((value, i) => places.Contains(i) ? i % 2 == 0 ? float.NaN : -float.NaN : value)];
        foreach (PayloadFormat format in Enum.GetValues<PayloadFormat>())
        {
            PayloadCodec codec = PayloadCodec.Create(format, plain.Length, KernelSet.Find(set).Codec);
            float[] expected = Travelled(codec, plain);
            Array.ForEach(places, place => expected[place] = float.NaN);
            Assert.Equal(expected, Travelled(codec, holed));
        }

        static float[] Travelled(PayloadCodec codec, float[] row)
        {
            float[] read = new float[row.Length];
            fixed (float* source = row, target = read)
            fixed (byte* written = new byte[codec.Bytes])
            {
                codec.Encode(source, written);
                codec.Decode(written, target);
            }

            return read;
        }
    }

    [Theory]
    [MemberData(nameof(RankedExchangeTests.Modes), MemberType = typeof(RankedExchangeTests))]
    public void TheyComeBackAsNoneAndHarmNobody(ExchangePath path, PayloadFormat dispatch, PayloadFormat combine, CombineReduction reduction)
    {
        for (int seed = 0; seed < 10; seed++)
        {
            ExchangeCase world = ExchangeCase.Random(seed, new ExchangeOptions(path, dispatch, combine, reduction), maxWorld: 6);
            float[][][][] expected = [.. world.Exchanges.Select((ranks, exchange) => ranks.Select((_, rank) => PlainLoop.Combined(world, exchange, rank)).ToArray())];
            foreach (RankTokens tokens in world.Exchanges.SelectMany(ranks => ranks))
            {
                for (int token = 0; token < tokens.Rows.Length; token += 2)
                {
                    Array.Fill(tokens.Rows[token], float.NaN);
                    Array.Fill(tokens.Weights[token], float.NaN);
                }
            }

            float[][][][] results = InProcessWorld.Run(world, seed, expectRows: false);
            for (int exchange = 0; exchange < results.Length; exchange++)
            {
                for (int rank = 0; rank < results[exchange].Length; rank++)
                {
                    for (int token = 0; token < results[exchange][rank].Length; token++)
                    {
                        bool isNumber = token % 2 == 1 || world.Exchanges[exchange][rank].Experts[token].All(expert => expert < 0);
                        float[] row = isNumber ? expected[exchange][rank][token] : [.. Enumerable.Repeat(float.NaN, world.Columns)];
                        Assert.Equal(row, results[exchange][rank][token]);
                    }
                }
            }
        }
    }
}
