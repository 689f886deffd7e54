using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Parallel.Exchange;

/// <summary>Writes rows of binary32 in a <see cref="PayloadFormat"/> and reads them; all rows of one width take the same number of bytes.</summary>
internal abstract unsafe class PayloadCodec
{
    // Rows follow each other in messages beside 32-bit fields.
    private protected const int Alignment = 4;

    private protected PayloadCodec(PayloadFormat format, int columns, int bytes)
    {
        Format = format;
        Columns = columns;
        Bytes = (bytes + Alignment - 1) / Alignment * Alignment;
    }

    /// <summary>How numbers are written.</summary>
    public PayloadFormat Format { get; }

    /// <summary>Numbers of a row.</summary>
    public int Columns { get; }

    /// <summary>Bytes of a row, a multiple of four.</summary>
    public int Bytes { get; }

    /// <summary>The codec of a format for rows of that many numbers.</summary>
    public static PayloadCodec Create(PayloadFormat format, int columns, Codec codec) => format switch
    {
        PayloadFormat.F32 => new PlainPayload(format, ElementFormat.F32, columns, codec),
        PayloadFormat.BF16 => new PlainPayload(format, ElementFormat.BF16, columns, codec),
        PayloadFormat.E4M3 => new ScaledPayload(columns, codec),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "no payload format"),
    };

    /// <summary>Writes a row, each number rounded to the nearest, ties to even.</summary>
    public abstract void Encode(float* source, byte* destination);

    /// <summary>Reads a row.</summary>
    public abstract void Decode(byte* source, float* destination);
}

/// <summary>Numbers side by side.</summary>
internal sealed unsafe class PlainPayload(PayloadFormat format, ElementFormat elements, int columns, Codec codec)
    : PayloadCodec(format, columns, columns * elements.Size())
{
    public override void Encode(float* source, byte* destination) =>
        codec.Encode(new ReadOnlySpan<float>(source, Columns), elements, destination);

    public override void Decode(byte* source, float* destination) =>
        codec.Decode(new TensorView(source, elements, 1, Columns), 0, new Span<float>(destination, Columns));
}

/// <summary>The scales of a row, then its FP8 codes.</summary>
internal sealed unsafe class ScaledPayload(int columns, Codec codec)
    : PayloadCodec(PayloadFormat.E4M3, columns, (Scales(columns) * sizeof(float)) + columns)
{
    public override void Encode(float* source, byte* destination) =>
        codec.EncodeE4M3(new ReadOnlySpan<float>(source, Columns), Codes(destination), (float*)destination);

    public override void Decode(byte* source, float* destination)
    {
        BlockScales scales = new((float*)source, Scales(Columns), blockRows: 1, Codec.ScaleBlock);
        TensorView row = new(Codes(source), ElementFormat.F8_E4M3, 1, Columns, scales: scales);
        codec.Decode(row, 0, new Span<float>(destination, Columns));
        KeepNaN(new ReadOnlySpan<byte>(Codes(source), Columns), destination);
    }

    // Codecs are for weights, which contain no NaN, and some read its codes as ±480: a token that is no number would return as a plausible one.
    private static void KeepNaN(ReadOnlySpan<byte> codes, float* destination)
    {
        const byte NaN = 0x7F;
        const byte NegativeNaN = 0xFF;
        for (int i = codes.IndexOfAny(NaN, NegativeNaN); i < codes.Length && i >= 0; i++)
        {
            destination[i] = codes[i] is NaN or NegativeNaN ? float.NaN : destination[i];
        }
    }

    private static int Scales(int columns) => (columns + Codec.ScaleBlock - 1) / Codec.ScaleBlock;

    private byte* Codes(byte* row) => row + (Scales(Columns) * sizeof(float));
}
