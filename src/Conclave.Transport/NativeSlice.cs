using Conclave.Primitives;

namespace Conclave.Transport;

/// <summary>Some bytes of native memory that somebody else owns.</summary>
public readonly unsafe struct NativeSlice
{
    /// <summary>A view of bytes that must outlive it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative.</exception>
    public NativeSlice(byte* data, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Data = data;
        Length = length;
    }

    /// <summary>A part of a buffer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part does not lie within the buffer.</exception>
    public NativeSlice(NativeBuffer buffer, nint offset, int length) : this(buffer.Data + offset, length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, buffer.Length - length, nameof(offset));
    }

    /// <summary>First byte.</summary>
    public byte* Data { get; }

    /// <summary>Size in bytes.</summary>
    public int Length { get; }

    /// <summary>The bytes.</summary>
    public Span<byte> Span => new(Data, Length);
}
