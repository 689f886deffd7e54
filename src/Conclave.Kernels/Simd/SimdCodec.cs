using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Between stored elements and binary32. The same values as the reference, but for the E4M3 codes of NaN, which are read as ±480: no weight contains them.
/// </summary>
internal sealed unsafe class SimdCodec<TSimd, TVector> : Codec
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Decodes one row, with its block scales, each value rounded once.</summary>
    public static void Decode(TensorView source, nint row, float* destination)
    {
        byte* data = source.RowPointer(row);
        switch (source.Format)
        {
            case ElementFormat.F32:
                Buffer.MemoryCopy(data, destination, source.Columns * sizeof(float), source.Columns * sizeof(float));
                break;
            case ElementFormat.F16:
                DecodeF16((ushort*)data, destination, source.Columns);
                break;
            case ElementFormat.BF16:
                DecodeBF16((ushort*)data, destination, source.Columns);
                break;
            case ElementFormat.F8_E4M3 when source.Scales.IsPresent:
                float* scales = source.Scales.Row(row);
                nint width = source.Scales.BlockColumns;
                for (nint k = 0; k < source.Columns; k += width)
                {
                    DecodeE4M3(data + k, scales[k / width], destination + k, nint.Min(width, source.Columns - k));
                }

                break;
            case ElementFormat.F8_E4M3:
                DecodeE4M3(data, 1f, destination, source.Columns);
                break;
            default:
                throw new ArgumentException($"{source.Format} is no weight format");
        }
    }

    /// <summary>Widens bfloat16, exactly.</summary>
    public static void DecodeBF16(ushort* source, float* destination, nint count)
    {
        nint k = 0;
        for (; k + TSimd.Lanes <= count; k += TSimd.Lanes)
        {
            TSimd.Store(destination + k, TSimd.LoadBF16(source + k));
        }

        for (; k < count; k++)
        {
            destination[k] = BFloat16.Decode(source[k]);
        }
    }

    /// <inheritdoc/>
    public override void Decode(TensorView source, nint row, Span<float> destination)
    {
        OperatorShapes.Decode(source, row, destination);
        fixed (float* target = destination)
        {
            Decode(source, row, target);
        }
    }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<float> source, ElementFormat format, byte* destination)
    {
        fixed (float* values = source)
        {
            EncodeRow(values, source.Length, format, destination);
        }
    }

    /// <summary>Encodes binary32 values as F32, F16 or BF16.</summary>
    public static void EncodeRow(float* source, nint count, ElementFormat format, byte* destination)
    {
        switch (format)
        {
            case ElementFormat.F32:
                Buffer.MemoryCopy(source, destination, count * sizeof(float), count * sizeof(float));
                break;
            case ElementFormat.F16:
                // .NET exposes no vector instruction for it.
                for (nint k = 0; k < count; k++)
                {
                    ((Half*)destination)[k] = (Half)source[k];
                }

                break;
            case ElementFormat.BF16:
                EncodeBF16(source, (ushort*)destination, count);
                break;
            default:
                throw new ArgumentException($"cannot encode {format}; only F32, F16 and BF16 are written");
        }
    }

    /// <inheritdoc/>
    public override void EncodeE4M3(ReadOnlySpan<float> source, byte* codes, float* scales)
    {
        float* rest = stackalloc float[TSimd.Lanes];
        byte* restCodes = stackalloc byte[TSimd.Lanes];
        fixed (float* values = source)
        {
            for (int first = 0; first < source.Length; first += ScaleBlock)
            {
                int count = Math.Min(ScaleBlock, source.Length - first);
                scales[first / ScaleBlock] = EncodeBlock(values + first, count, codes + first, rest, restCodes);
            }
        }
    }

    private static float EncodeBlock(float* source, int count, byte* codes, float* rest, byte* restCodes)
    {
        // The rest through a whole vector's worth of values, so that every value is rounded the same way.
        int whole = count - (count % TSimd.Lanes);
        new Span<float>(rest, TSimd.Lanes).Clear();
        new ReadOnlySpan<float>(source + whole, count - whole).CopyTo(new Span<float>(rest, TSimd.Lanes));
        TVector zero = TSimd.Broadcast(0f);
        TVector largest = Larger(TSimd.Load(rest), zero);
        for (int k = 0; k < whole; k += TSimd.Lanes)
        {
            largest = Larger(TSimd.Load(source + k), largest);
        }

        float scale = TSimd.ReduceMax(largest) / E4M3.MaxValue;
        scale = scale == 0 ? 1f : scale;
        TVector divisor = TSimd.Broadcast(scale);
        for (int k = 0; k < whole; k += TSimd.Lanes)
        {
            TSimd.StoreE4M3(codes + k, TSimd.Divide(TSimd.Load(source + k), divisor));
        }

        TSimd.StoreE4M3(restCodes, TSimd.Divide(TSimd.Load(rest), divisor));
        new ReadOnlySpan<byte>(restCodes, count - whole).CopyTo(new Span<byte>(codes + whole, count - whole));
        return scale;

        // NaN never is the larger one.
        static TVector Larger(TVector value, TVector largest) =>
            TSimd.Max(value, TSimd.Max(TSimd.Subtract(TSimd.Broadcast(0f), value), largest));
    }

    private static void DecodeF16(ushort* source, float* destination, nint count)
    {
        nint k = 0;
        for (; k + TSimd.Lanes <= count; k += TSimd.Lanes)
        {
            TSimd.Store(destination + k, TSimd.LoadF16(source + k));
        }

        for (; k < count; k++)
        {
            destination[k] = (float)((Half*)source)[k];
        }
    }

    private static void DecodeE4M3(byte* source, float scale, float* destination, nint count)
    {
        TVector factor = TSimd.Broadcast(scale);
        nint k = 0;
        for (; k + TSimd.Lanes <= count; k += TSimd.Lanes)
        {
            TSimd.Store(destination + k, TSimd.Multiply(TSimd.LoadE4M3(source + k), factor));
        }

        if (k < count)
        {
            // The rest through a whole vector's worth of bytes, so that every code is read the same way.
            byte* rest = stackalloc byte[TSimd.Lanes];
            new Span<byte>(rest, TSimd.Lanes).Clear();
            new ReadOnlySpan<byte>(source + k, (int)(count - k)).CopyTo(new Span<byte>(rest, TSimd.Lanes));
            TSimd.StoreMasked(destination + k, TSimd.Mask((int)(count - k)), TSimd.Multiply(TSimd.LoadE4M3(rest), factor));
        }
    }

    private static void EncodeBF16(float* source, ushort* destination, nint count)
    {
        nint k = 0;
        for (; k + TSimd.Lanes <= count; k += TSimd.Lanes)
        {
            TSimd.StoreBF16(destination + k, TSimd.Load(source + k));
        }

        for (; k < count; k++)
        {
            destination[k] = BFloat16.Encode(source[k]);
        }
    }
}
