using System.Buffers;

namespace Conclave.Parallel.Launch;

/// <summary>A message of the control channel.</summary>
internal readonly struct ControlFrame
{
    private const int Short = 8 << 10;
    private const int Long = 1 << 20;

    // The block tables of all sequences of a step on all ranks.
    private const int Longest = 1 << 26;

    private readonly byte[] _buffer;
    private readonly int _length;

    /// <summary>A message of some kind with a body of these bytes.</summary>
    public ControlFrame(ControlKind kind, byte[] body)
        : this(kind, body, body.Length)
    {
    }

    private ControlFrame(ControlKind kind, byte[] buffer, int length)
    {
        Kind = kind;
        _buffer = buffer;
        _length = length;
    }

    /// <summary>What it says.</summary>
    public ControlKind Kind { get; }

    /// <summary>The rest.</summary>
    public Span<byte> Body => _buffer.AsSpan(0, _length);

    /// <summary>A message whose body is still to be received. Steps come for every token, so their memory is used again.</summary>
    public static ControlFrame Empty(ControlKind kind, int length) =>
        new(kind, kind == ControlKind.Step ? ArrayPool<byte>.Shared.Rent(length) : new byte[length], length);

    /// <summary>To be called once, by whoever has read a step: nobody may look at its body any more.</summary>
    public void Release()
    {
        if (Kind == ControlKind.Step)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }
    }

    /// <summary>The longest body of a kind.</summary>
    /// <exception cref="ControlException">There is no such kind.</exception>
    public static int MostBytes(ControlKind kind) => kind switch
    {
        ControlKind.Ready or ControlKind.Start or ControlKind.End or ControlKind.Heartbeat or ControlKind.Stop => 0,
        ControlKind.HostHello or ControlKind.RankEnded => 16,
        ControlKind.Hello or ControlKind.Welcome => 1 << 10,
        ControlKind.Open or ControlKind.Address or ControlKind.Failed or ControlKind.Abort or ControlKind.Warning => Short,
        ControlKind.Report => Long,
        ControlKind.Addresses => WorldPlan.MostRanks * (sizeof(int) + Short),
        ControlKind.Loads => ModelOrder.MostExperts * sizeof(long),
        ControlKind.Step => Longest,
        _ => throw new ControlException($"sent a message of kind {(byte)kind}, which there is not"),
    };
}
