using System.Runtime.CompilerServices;

namespace Conclave.Engine;

/// <summary>
/// Finds where a descending order would be cut, without sorting: a histogram of weights over the leading bits of the values, then over the
/// next bits of those in the bucket of the cut, three passes for binary32. Linear in the number of values whatever they are.
/// </summary>
internal sealed class RadixThreshold
{
    private const int Bits = 11;
    private readonly double[] _weights = new double[1 << Bits];

    /// <summary>
    /// The smallest value t whose greater values together weigh less than <paramref name="room"/>; the smallest of all where everything
    /// together weighs less.
    /// </summary>
    /// <param name="values">The values; none is NaN, at least one.</param>
    /// <param name="weights">One non-negative weight for each value; empty: each weighs 1.</param>
    /// <param name="room">Positive.</param>
    /// <param name="above">What the values greater than t weigh together.</param>
    public float Find(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, double room, out double above)
    {
        above = 0;
        uint prefix = 0;
        for (int shift = 32 - Bits, width = Bits; ; width = Math.Min(Bits, shift), shift -= width)
        {
            Count(values, weights, shift, width, prefix);
            int bucket = (1 << width) - 1;
            int lowest = bucket;
            double sum = above;
            double sumAboveLowest = above;
            for (; bucket >= 0; bucket--)
            {
                double weight = _weights[bucket];
                if (weight < 0)
                {
                    continue;
                }

                lowest = bucket;
                sumAboveLowest = sum;
                sum += weight;
                if (sum >= room)
                {
                    break;
                }
            }

            above = sumAboveLowest;
            prefix = (prefix << width) | (uint)lowest;
            if (shift == 0)
            {
                return FromKey(prefix);
            }
        }
    }

    private void Count(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int shift, int width, uint prefix)
    {
        // −1 marks a bucket that has no values; weights may be 0.
        Span<double> buckets = _weights.AsSpan(0, 1 << width);
        buckets.Fill(-1);
        uint mask = (1u << width) - 1;
        int prefixShift = shift + width;
        for (int i = 0; i < values.Length; i++)
        {
            uint key = ToKey(values[i]);
            if (prefixShift == 32 || key >> prefixShift == prefix)
            {
                ref double bucket = ref buckets[(int)((key >> shift) & mask)];
                bucket = Math.Max(bucket, 0) + (weights.IsEmpty ? 1 : weights[i]);
            }
        }
    }

    /// <summary>Unsigned keys in the order of the values; both zeros have one key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint ToKey(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value + 0f);
        return bits ^ ((uint)((int)bits >> 31) | 0x80000000u);
    }

    private static float FromKey(uint key) =>
        BitConverter.UInt32BitsToSingle((key & 0x80000000u) != 0 ? key ^ 0x80000000u : ~key);
}
