using Conclave.Primitives;

namespace Conclave.Kernels.Tests;

/// <summary>A matrix that owns its memory, with the exact values of its elements at hand.</summary>
internal sealed unsafe class Matrix : IDisposable
{
    private readonly NativeBuffer _buffer;
    private readonly NativeBuffer? _scales;

    private Matrix(NativeBuffer buffer, NativeBuffer? scales, TensorView view)
    {
        _buffer = buffer;
        _scales = scales;
        View = view;
    }

    public TensorView View { get; }

    public float this[nint row, nint column] => View.PointerF32(row)[column];

    /// <summary>Random binary32 values with standard deviation about <paramref name="scale"/>, rows <paramref name="padding"/> elements too far apart.</summary>
    public static Matrix Random(Random random, nint rows, nint columns, float scale = 1, nint padding = 0)
    {
        nint stride = columns + padding;
        NativeBuffer buffer = new(Math.Max(1, rows * stride) * sizeof(float));
        Span<float> values = new(buffer.Data, (int)(rows * stride));
        foreach (ref float value in values)
        {
            value = Normal(random) * scale;
        }

        return new Matrix(buffer, scales: null, new TensorView(buffer.Data, ElementFormat.F32, rows, columns, stride));
    }

    public static Matrix Zero(nint rows, nint columns)
    {
        NativeBuffer buffer = NativeBuffer.ForF32(rows, columns, out TensorView view);
        return new Matrix(buffer, scales: null, view);
    }

    /// <summary>
    /// A random weight: rows from the middle of a greater matrix, so that FP8 block scales begin inside a block.
    /// </summary>
    public static Matrix Weight(Random random, ElementFormat format, nint rows, nint columns, float scale = 1)
    {
        nint skipped = random.Next(40);
        nint all = skipped + rows + random.Next(5);
        NativeBuffer buffer = new(all * columns * format.Size());
        NativeBuffer? scaleBuffer = null;
        BlockScales scales = default;
        for (nint i = 0; i < all * columns; i++)
        {
            float value = Normal(random) * scale;
            switch (format)
            {
                case ElementFormat.F32:
                    ((float*)buffer.Data)[i] = value;
                    break;
                case ElementFormat.F16:
                    // Some are subnormal.
                    ((Half*)buffer.Data)[i] = (Half)(random.Next(4) == 0 ? value * 1e-4f : value);
                    break;
                case ElementFormat.BF16:
                    ((ushort*)buffer.Data)[i] = BFloat16.Encode(value);
                    break;
                default:
                    // All codes but NaN, mostly the greater ones; the scale brings them back. Every other row is without small ones.
                    buffer.Data[i] = E4M3.Encode(value / scale * (i / columns % 2 == 0 && random.Next(4) == 0 ? 0.01f : 100));
                    break;
            }
        }

        if (format == ElementFormat.F8_E4M3)
        {
            int blockRows = random.Next(2) == 0 ? 128 : 24;
            int blockColumns = random.Next(2) == 0 ? 128 : 20;
            nint scaleColumns = (columns + blockColumns - 1) / blockColumns;
            nint count = ((all + blockRows - 1) / blockRows) * scaleColumns;
            scaleBuffer = new NativeBuffer(count * sizeof(float));
            for (nint i = 0; i < count; i++)
            {
                ((float*)scaleBuffer.Data)[i] = scale / 100 * (0.5f + random.NextSingle());
            }

            scales = new BlockScales((float*)scaleBuffer.Data, scaleColumns, blockRows, blockColumns);
        }

        TensorView whole = new(buffer.Data, format, all, columns, scales: scales);
        return new Matrix(buffer, scaleBuffer, whole.SliceRows(skipped, rows));
    }

    /// <summary>The exact values of a weight's rows, by the definitions of the formats.</summary>
    public double[][] Exact()
    {
        double[][] rows = new double[View.Rows][];
        for (nint r = 0; r < View.Rows; r++)
        {
            byte* data = View.RowPointer(r);
            rows[r] = new double[View.Columns];
            for (nint c = 0; c < View.Columns; c++)
            {
                double value = View.Format switch
                {
                    ElementFormat.F32 => ((float*)data)[c],
                    ElementFormat.F16 => (double)((Half*)data)[c],
                    ElementFormat.BF16 => BFloat16.Decode(((ushort*)data)[c]),
                    _ => E4M3.Decode(data[c]),
                };
                BlockScales scales = View.Scales;
                rows[r][c] = scales.IsPresent
                    ? value * scales.Data[((scales.FirstRow + r) / scales.BlockRows * scales.Columns) + (c / scales.BlockColumns)]
                    : value;
            }
        }

        return rows;
    }

    public int[] Bits() =>
        [.. Enumerable.Range(0, (int)View.Rows).SelectMany(r => View.RowF32(r).ToArray().Select(BitConverter.SingleToInt32Bits))];

    public void Dispose()
    {
        _buffer.Dispose();
        _scales?.Dispose();
    }

    private static float Normal(Random random)
    {
        double sum = -6;
        for (int i = 0; i < 12; i++)
        {
            sum += random.NextDouble();
        }

        return (float)sum;
    }
}
