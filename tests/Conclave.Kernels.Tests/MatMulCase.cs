using Conclave.Primitives;

namespace Conclave.Kernels.Tests;

/// <summary>A random weight matrix in native memory, with its decoded values for the test's own double loop.</summary>
internal sealed unsafe class MatMulCase : IDisposable
{
    private readonly NativeBuffer _codes;
    private readonly NativeBuffer _scales;

    public MatMulCase(Random random, ElementFormat format, int rows, int columns, int blockRows = 0, int blockColumns = 0, int firstRow = 0, float scale = 1e-2f, int? padding = null)
    {
        int stride = columns + (padding ?? random.Next(3));
        _codes = new NativeBuffer((nint)rows * stride * format.Size());
        BlockScales scales = default;
        if (blockRows > 0)
        {
            int scaleColumns = (columns + blockColumns - 1) / blockColumns;
            int scaleRows = (firstRow + rows + blockRows - 1) / blockRows;
            _scales = new NativeBuffer((nint)scaleRows * scaleColumns * sizeof(float));
            Span<float> values = new(_scales.Data, scaleRows * scaleColumns);
            foreach (ref float value in values)
            {
                value = scale * (0.1f + random.NextSingle());
            }

            scales = new BlockScales((float*)_scales.Data, scaleColumns, blockRows, blockColumns, firstRow);
        }
        else
        {
            _scales = new NativeBuffer(0);
        }

        View = new TensorView(_codes.Data, format, rows, columns, stride, scales);
        for (nint i = 0; i < (nint)rows * stride; i++)
        {
            Fill(random, format, i);
        }
    }

    public TensorView View { get; }

    /// <summary>The exact value of an element.</summary>
    public double Value(nint row, nint column)
    {
        byte* data = View.RowPointer(row);
        double value = View.Format switch
        {
            ElementFormat.F32 => ((float*)data)[column],
            ElementFormat.F16 => (double)((Half*)data)[column],
            ElementFormat.BF16 => BFloat16.Decode(((ushort*)data)[column]),
            _ => E4M3.Decode(data[column]),
        };
        return View.Scales.IsPresent ? value * View.Scales.Row(row)[column / View.Scales.BlockColumns] : value;
    }

    public void Dispose()
    {
        _codes.Dispose();
        _scales.Dispose();
    }

    private void Fill(Random random, ElementFormat format, nint i)
    {
        float value = (random.NextSingle() * 2) - 1;
        switch (format)
        {
            case ElementFormat.F32:
                ((float*)_codes.Data)[i] = value;
                break;
            case ElementFormat.F16:
                // A third subnormal.
                ((Half*)_codes.Data)[i] = (Half)(random.Next(3) == 0 ? value * 6e-5f : value);
                break;
            case ElementFormat.BF16:
                ((ushort*)_codes.Data)[i] = BFloat16.Encode(value);
                break;
            default:
                // All codes but NaN; zeros and subnormals, which take a longer way, in every other run of 64 only, by rows in pairs.
                (nint row, nint column) = Math.DivRem(i, View.RowStride);
                int magnitude = ((row / 2) + (column / 64)) % 2 == 0 ? random.Next(0x7F) : random.Next(8, 0x7F);
                _codes.Data[i] = (byte)(magnitude | (random.Next(2) << 7));
                break;
        }
    }
}
