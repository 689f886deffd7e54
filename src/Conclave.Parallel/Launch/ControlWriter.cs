using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Conclave.Parallel.Launch;

/// <summary>Writes the body of a message of the control channel.</summary>
internal sealed class ControlWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>What was written.</summary>
    public ReadOnlySpan<byte> Written => _bytes.WrittenSpan;

    /// <summary>Forgets what was written.</summary>
    public ControlWriter Clear()
    {
        _bytes.ResetWrittenCount();
        return this;
    }

    public ControlWriter Int32(int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.GetSpan(sizeof(int)), value);
        _bytes.Advance(sizeof(int));
        return this;
    }

    public ControlWriter Int32s(ReadOnlySpan<int> values)
    {
        foreach (int value in values)
        {
            Int32(value);
        }

        return this;
    }

    public ControlWriter Int64(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_bytes.GetSpan(sizeof(long)), value);
        _bytes.Advance(sizeof(long));
        return this;
    }

    public ControlWriter Double(double value) => Int64(BitConverter.DoubleToInt64Bits(value));

    /// <summary>Bytes behind their number.</summary>
    public ControlWriter Bytes(ReadOnlySpan<byte> value)
    {
        Int32(value.Length);
        _bytes.Write(value);
        return this;
    }

    /// <summary>A text; what is longer than <paramref name="most"/> bytes is cut.</summary>
    public ControlWriter Text(string value, int most)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(value);
        return Bytes(utf8.AsSpan(0, Math.Min(utf8.Length, most)));
    }
}
