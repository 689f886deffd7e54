namespace Conclave.Parallel.Exchange;

/// <summary>Fills the memory of one message.</summary>
internal ref struct MessageWriter(Span<byte> memory)
{
    private readonly Span<byte> _memory = memory;

    /// <summary>Bytes that were written.</summary>
    public int Length { get; private set; }

    /// <summary>Those of them that are numbers of rows, not what describes rows.</summary>
    public int PayloadBytes { get; private set; }

    /// <summary>Bytes that still fit.</summary>
    public readonly int Free => _memory.Length - Length;

    /// <summary>Whether the way ends with this message.</summary>
    public bool IsLast { get; set; }

    /// <summary>Takes the next bytes, which must be free.</summary>
    /// <param name="bytes">All bytes.</param>
    /// <param name="payload">Those that are numbers of a row.</param>
    public Span<byte> Take(int bytes, int payload)
    {
        Span<byte> taken = _memory.Slice(Length, bytes);
        Length += bytes;
        PayloadBytes += payload;
        return taken;
    }
}
