using System.Runtime.InteropServices;
using Conclave.Primitives;

namespace Conclave.Conversion;

/// <summary>
/// Stored elements by the probability of a normal distribution: a 16-bit random number picks an element. That is three operations for an
/// element, against a logarithm, a root, a cosine and an encoding when each is drawn on its own.
/// </summary>
internal sealed class GaussianTable
{
    private const int Entries = 1 << 16;
    private static readonly float[] Quantiles = ComputeQuantiles();

    private readonly byte[] _elements;
    private readonly int _size;

    /// <summary>The distribution of this mean and standard deviation in a format: F8_E4M3, BF16 or F32.</summary>
    public GaussianTable(ElementFormat format, float mean, float deviation)
    {
        _size = format.Size();
        _elements = new byte[Entries * _size];
        for (int i = 0; i < Entries; i++)
        {
            float value = mean + (deviation * Quantiles[i]);
            Span<byte> element = _elements.AsSpan(i * _size, _size);
            switch (format)
            {
                case ElementFormat.F8_E4M3:
                    element[0] = E4M3.Encode(value);
                    break;
                case ElementFormat.BF16:
                    MemoryMarshal.Write(element, BFloat16.Encode(value));
                    break;
                case ElementFormat.F32:
                    MemoryMarshal.Write(element, value);
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(format), format, "F8_E4M3, BF16 or F32 is expected");
            }
        }
    }

    /// <summary>
    /// Fills <paramref name="destination"/> with the elements from <paramref name="firstElement"/> (a multiple of 4) on of the stream that
    /// <paramref name="key"/> names. Any part of a stream can be drawn alone.
    /// </summary>
    public void Fill(Span<byte> destination, ulong key, long firstElement)
    {
        switch (_size)
        {
            case 1:
                Draw<byte>(_elements, destination, key, firstElement);
                break;
            case 2:
                Draw(MemoryMarshal.Cast<byte, ushort>(_elements), MemoryMarshal.Cast<byte, ushort>(destination), key, firstElement);
                break;
            default:
                Draw(MemoryMarshal.Cast<byte, uint>(_elements), MemoryMarshal.Cast<byte, uint>(destination), key, firstElement);
                break;
        }
    }

    private static void Draw<T>(ReadOnlySpan<T> table, Span<T> destination, ulong key, long firstElement)
        where T : unmanaged
    {
        ulong counter = (ulong)firstElement / 4;
        int i = 0;
        for (; i <= destination.Length - 4; i += 4)
        {
            ulong random = SplitMix64.At(key, counter++);
            destination[i] = table[(ushort)random];
            destination[i + 1] = table[(ushort)(random >> 16)];
            destination[i + 2] = table[(ushort)(random >> 32)];
            destination[i + 3] = table[(ushort)(random >> 48)];
        }

        for (ulong random = SplitMix64.At(key, counter); i < destination.Length; i++, random >>= 16)
        {
            destination[i] = table[(ushort)random];
        }
    }

    // Entry i is x where the distribution function reaches (i + ½) / 65536: the density is summed outwards from 0, the other half mirrored.
    private static float[] ComputeQuantiles()
    {
        const double step = 1e-5;
        const int half = Entries / 2;
        float[] quantiles = new float[Entries];
        double sum = 0;
        double x = 0;
        for (int i = 0; i < half; i++)
        {
            double target = (i + 0.5) / Entries;
            while (sum < target)
            {
                double middle = x + (step / 2);
                sum += step * Math.Exp(-middle * middle / 2) / Math.Sqrt(2 * Math.PI);
                x += step;
            }

            quantiles[half + i] = (float)x;
            quantiles[half - 1 - i] = (float)-x;
        }

        return quantiles;
    }
}
