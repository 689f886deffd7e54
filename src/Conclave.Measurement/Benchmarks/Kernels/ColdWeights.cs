using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>Weights that no cache holds: matrices are taken one after the other from a buffer larger than any cache, and from its beginning again at its end.</summary>
public sealed unsafe class ColdWeights : IDisposable
{
    /// <summary>How much there is before the first matrix comes again.</summary>
    public const nint BufferBytes = 256 << 20;

    private const int Block = 128;
    private const nint Alignment = 64;
    private const int LongestSide = 1 << 17;

    private readonly NativeBuffer _memory = new(BufferBytes);
    private readonly NativeBuffer _scales = NativeBuffer.ForF32(1, LongestSide, out _);
    private ElementFormat? _format;
    private nint _next;

    /// <summary>Allocates the buffer.</summary>
    public ColdWeights()
    {
        // Their values do not change the time.
        new Span<float>(_scales.Data, LongestSide).Fill(1e-3f);
    }

    /// <summary>The next matrix.</summary>
    /// <exception cref="ArgumentException">It is larger than the buffer.</exception>
    public TensorView Next(ElementFormat format, nint rows, nint columns)
    {
        nint bytes = checked(rows * columns * format.Size());
        nint scaleColumns = (columns + Block - 1) / Block;
        if (bytes > BufferBytes || scaleColumns * ((rows + Block - 1) / Block) > LongestSide)
        {
            throw new ArgumentException($"a matrix [{rows}, {columns}] of {format} is larger than what is measured on");
        }

        Fill(format);
        if (_next + bytes > BufferBytes)
        {
            _next = 0;
        }

        byte* data = _memory.Data + _next;
        _next += (bytes + Alignment - 1) & -Alignment;
        BlockScales scales = format == ElementFormat.F8_E4M3 ? new BlockScales((float*)_scales.Data, scaleColumns, Block, Block) : default;
        return new TensorView(data, format, rows, columns, 0, scales);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _scales.Dispose();
        _memory.Dispose();
    }

    /// <summary>
    /// Weights with the statistics of released ones, as far as time depends on them: normally distributed, and in FP8 scaled so that a subnormal code comes
    /// once in thousands.
    /// </summary>
    private void Fill(ElementFormat format)
    {
        if (_format == format)
        {
            return;
        }

        const int Period = 1 << 20;
        Random random = new(1);
        for (nint i = 0; i < Period; i++)
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            switch (format)
            {
                case ElementFormat.F8_E4M3:
                    _memory.Data[i] = E4M3.Encode((float)Math.Clamp(normal * 90, -448, 448));
                    break;
                case ElementFormat.BF16:
                    ((ushort*)_memory.Data)[i] = BFloat16.Encode((float)normal * 0.02f);
                    break;
                case ElementFormat.F16:
                    ((Half*)_memory.Data)[i] = (Half)(normal * 0.02);
                    break;
                default:
                    ((float*)_memory.Data)[i] = (float)normal * 0.02f;
                    break;
            }
        }

        nint bytes = Period * (nint)format.Size();
        for (nint offset = bytes; offset < BufferBytes; offset += bytes)
        {
            Buffer.MemoryCopy(_memory.Data, _memory.Data + offset, BufferBytes - offset, nint.Min(bytes, BufferBytes - offset));
        }

        _format = format;
    }
}
