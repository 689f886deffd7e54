using Conclave.Kernels;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>What an exchange must give, token for token, without any exchange.</summary>
internal static class PlainLoop
{
    /// <summary>The "expert" of the tests: every output number depends on several of the input and on the expert.</summary>
    public static float[] Expert(int expert, ReadOnlySpan<float> row)
    {
        float[] output = new float[row.Length];
        for (int i = 0; i < row.Length; i++)
        {
            output[i] = MathF.FusedMultiplyAdd(row[i], expert + 1, 0.25f * row[(i + expert) % row.Length]);
        }

        return output;
    }

    /// <summary>The combined outputs of a rank's tokens.</summary>
    public static float[][] Combined(ExchangeCase world, int exchange, int rank)
    {
        SlotMap map = world.SlotsByLayer[exchange % world.SlotsByLayer.Length];
        RankTokens tokens = world.Exchanges[exchange][rank];
        return [.. Enumerable.Range(0, tokens.Rows.Length).Select(token => Combined(world, map, rank, tokens, token))];
    }

    /// <summary>The sum of a token's weighted outputs in binary64, and how far a reduced exchange may be off it: what the formats of other hosts' sums cost, and binary32.</summary>
    public static (double[] Sum, double[] Bound) Bounded(ExchangeCase world, int exchange, int rank, int token)
    {
        const double Roundings = 1e-5;
        SlotMap map = world.SlotsByLayer[exchange % world.SlotsByLayer.Length];
        RankTokens tokens = world.Exchanges[exchange][rank];
        HostMap hosts = new(world.Topology);
        float[] input = Rounded(tokens.Rows[token], world.Options.Dispatch);
        double[] sum = new double[world.Columns];
        double[] bound = new double[world.Columns];
        for (int host = 0; host < hosts.Hosts; host++)
        {
            double[] ofHost = new double[world.Columns];
            for (int i = 0; i < world.ExpertsPerToken; i++)
            {
                int slot = tokens.Slots[token][i];
                if (slot >= 0 && hosts.HostOf(map.RankOf(slot)) == host)
                {
                    float[] output = Expert(map.ExpertOf(slot), input);
                    for (int column = 0; column < world.Columns; column++)
                    {
                        double weighted = (double)tokens.Weights[token][i] * output[column];
                        ofHost[column] += weighted;
                        bound[column] += Math.Abs(weighted) * Roundings;
                    }
                }
            }

            double[] lost = PayloadCodecTests.Bounds(Array.ConvertAll(ofHost, value => (float)value), world.Options.Combine);
            for (int column = 0; column < world.Columns; column++)
            {
                sum[column] += ofHost[column];
                bound[column] += host == hosts.HostOf(rank) ? 0 : lost[column];
            }
        }

        return (sum, bound);
    }

    /// <summary>A row as it is after it was written in a format and read.</summary>
    public static float[] Rounded(float[] row, PayloadFormat format)
    {
        switch (format)
        {
            case PayloadFormat.F32:
                return row;
            case PayloadFormat.BF16:
                return Array.ConvertAll(row, value => BFloat16.Decode(BFloat16.Encode(value)));
            default:
                float[][] blocks = [.. row.Chunk(Codec.ScaleBlock)];
                return [.. blocks.SelectMany(block =>
                {
                    float scale = block.Max(MathF.Abs) / E4M3.MaxValue;
                    return block.Select(value => scale == 0 ? 0 : E4M3.Decode(E4M3.Encode(value / scale)) * scale);
                })];
        }
    }

    private static float[] Combined(ExchangeCase world, SlotMap map, int rank, RankTokens tokens, int token)
    {
        float[] input = Rounded(tokens.Rows[token], world.Options.Dispatch);
        int[] slots = tokens.Slots[token];
        int[] chosen = [.. Enumerable.Range(0, slots.Length).Where(i => slots[i] >= 0).OrderBy(i => map.ExpertOf(slots[i]))];
        float[] result = new float[world.Columns];
        if (world.Options.Reduction == CombineReduction.None)
        {
            // Whichever replicas were taken.
            int[] experts = tokens.Experts[token];
            foreach (int i in Enumerable.Range(0, experts.Length).Where(i => experts[i] >= 0).OrderBy(i => experts[i]))
            {
                Add(result, tokens.Weights[token][i], Rounded(Expert(experts[i], input), world.Options.Combine));
            }

            return result;
        }

        HostMap hosts = new(world.Topology);
        foreach (IGrouping<int, int> ofHost in chosen.GroupBy(i => hosts.HostOf(map.RankOf(slots[i]))).OrderBy(group => group.Key))
        {
            float[]? sum = null;
            foreach (IGrouping<int, int> ofRank in ofHost.GroupBy(i => map.RankOf(slots[i])).OrderBy(group => group.Key))
            {
                float[] partial = new float[world.Columns];
                foreach (int i in ofRank)
                {
                    Add(partial, tokens.Weights[token][i], Expert(map.ExpertOf(slots[i]), input));
                }

                if (sum is null)
                {
                    sum = partial;
                }
                else
                {
                    Add(sum, 1, partial);
                }
            }

            Add(result, 1, ofHost.Key == hosts.HostOf(rank) ? sum! : Rounded(sum!, world.Options.Combine));
        }

        return result;
    }

    private static void Add(float[] sum, float weight, float[] row)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] = MathF.FusedMultiplyAdd(weight, row[i], sum[i]);
        }
    }
}
