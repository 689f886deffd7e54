using System.Buffers.Binary;
using System.Text;

namespace Conclave.Parallel.Launch;

/// <summary>Reads the body of a message of the control channel and believes nothing of it.</summary>
/// <param name="kind">What the message is, for those who are told.</param>
/// <param name="bytes">The body.</param>
internal ref struct ControlReader(ControlKind kind, ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>A number from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public int Int32(string name, int least, int most)
    {
        int value = BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));
        return value >= least && value <= most
            ? value
            : throw new ControlException($"sent {kind} with {name} {value}; {least} to {most} are possible");
    }

    /// <summary>As many such numbers as fit.</summary>
    public void Int32s(string name, int least, int most, Span<int> values)
    {
        foreach (ref int value in values)
        {
            value = Int32(name, least, most);
        }
    }

    /// <summary>A number from 0 to <paramref name="most"/>.</summary>
    public long Int64(string name, long most = long.MaxValue)
    {
        long value = BinaryPrimitives.ReadInt64LittleEndian(Take(sizeof(long)));
        return value >= 0 && value <= most ? value : throw new ControlException($"sent {kind} with {name} {value}; 0 to {most} are possible");
    }

    /// <summary>A finite number that is not negative.</summary>
    public double Double(string name)
    {
        double value = BitConverter.Int64BitsToDouble(Int64(name));
        return double.IsFinite(value) ? value : throw new ControlException($"sent {kind} with {name} {value}");
    }

    /// <summary>At most so many bytes.</summary>
    public ReadOnlySpan<byte> Bytes(string name, int most) => Take(Int32($"a length of {name} of", 0, most));

    /// <summary>A text of at most so many bytes of UTF-8.</summary>
    public string Text(string name, int most) => Encoding.UTF8.GetString(Bytes(name, most));

    /// <summary>Nothing may follow.</summary>
    public readonly void End()
    {
        if (!_rest.IsEmpty)
        {
            throw new ControlException($"sent {kind} with {_rest.Length} bytes too many");
        }
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _rest.Length)
        {
            throw new ControlException($"sent {kind} that ends too early");
        }

        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
