namespace Conclave.Transport;

/// <summary>What a <see cref="Completion"/> reports.</summary>
public enum CompletionKind
{
    /// <summary>A message has left: its payload's memory may be used again. It need not have arrived.</summary>
    Sent,

    /// <summary>A message has arrived. Its payload stays until <see cref="ITransport.Release"/>.</summary>
    Received,

    /// <summary>
    /// A peer is lost to this rank: its process or network died, it left, or it sent what cannot be right. Reported once; nothing of this peer follows but what was received before. Payloads on
    /// their way to it are not reported any more.
    /// </summary>
    PeerFailed,
}

/// <summary>Something that <see cref="ITransport.Poll"/> reports.</summary>
public readonly struct Completion
{
    private Completion(CompletionKind kind, int peer, ulong tag, NativeSlice payload, int buffer, string? reason)
    {
        Kind = kind;
        Peer = peer;
        Tag = tag;
        Payload = payload;
        Buffer = buffer;
        Reason = reason;
    }

    /// <summary>What happened.</summary>
    public CompletionKind Kind { get; }

    /// <summary>With whom.</summary>
    public int Peer { get; }

    /// <summary>The tag that the message was sent with.</summary>
    public ulong Tag { get; }

    /// <summary>What was received: a view of the transport's memory, which starts at a multiple of 64 bytes.</summary>
    public NativeSlice Payload { get; }

    /// <summary>Which buffer a received message lies in; its number means something to the transport alone.</summary>
    public int Buffer { get; }

    /// <summary>Why the peer is lost, as the end of a sentence about it ("closed its transport"); null unless it is.</summary>
    public string? Reason { get; }

    /// <summary>A message to the peer has left.</summary>
    public static Completion Sent(int peer, ulong tag) => new(CompletionKind.Sent, peer, tag, default, -1, null);

    /// <summary>A message of the peer has arrived.</summary>
    public static Completion Received(int peer, ulong tag, NativeSlice payload, int buffer) => new(CompletionKind.Received, peer, tag, payload, buffer, null);

    /// <summary>The peer is lost.</summary>
    public static Completion PeerFailed(int peer, string reason) => new(CompletionKind.PeerFailed, peer, 0, default, -1, reason);
}
