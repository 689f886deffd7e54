namespace Conclave.Transport;

/// <summary>
/// What one rank has sent and received, for each peer. Bytes are payloads, envelopes (<see cref="EnvelopeBytes"/> a message) and the transport's own messages that give credits back; messages are
/// those that carry payloads. Other threads may read while the rank works; they see numbers that are a moment old.
/// </summary>
public sealed class TransportCounters
{
    /// <summary>What a transport puts before each payload: its tag, its number and credits. Transports inside a process count it like the others, so that traffic can be compared.</summary>
    public const int EnvelopeBytes = 16;

    private readonly Topology _topology;
    private readonly int _rank;
    private readonly long[] _bytesSent;
    private readonly long[] _bytesReceived;
    private readonly long[] _messagesSent;
    private readonly long[] _messagesReceived;

    /// <summary>Counters of a rank, all 0.</summary>
    public TransportCounters(Topology topology, int rank)
    {
        _topology = topology;
        _rank = rank;
        _bytesSent = new long[topology.World];
        _bytesReceived = new long[topology.World];
        _messagesSent = new long[topology.World];
        _messagesReceived = new long[topology.World];
    }

    /// <summary>Bytes sent to a peer.</summary>
    public long BytesSent(int peer) => Volatile.Read(ref _bytesSent[peer]);

    /// <summary>Bytes received from a peer.</summary>
    public long BytesReceived(int peer) => Volatile.Read(ref _bytesReceived[peer]);

    /// <summary>Messages sent to a peer.</summary>
    internal long MessagesSent(int peer) => Volatile.Read(ref _messagesSent[peer]);

    /// <summary>Messages received from a peer.</summary>
    internal long MessagesReceived(int peer) => Volatile.Read(ref _messagesReceived[peer]);

    /// <summary>Bytes sent to all peers at this distance.</summary>
    public long BytesSent(LinkClass link) => Sum(_bytesSent, link);

    /// <summary>Bytes received from all peers at this distance.</summary>
    public long BytesReceived(LinkClass link) => Sum(_bytesReceived, link);

    /// <summary>Messages sent to all peers at this distance.</summary>
    internal long MessagesSent(LinkClass link) => Sum(_messagesSent, link);

    /// <summary>Messages received from all peers at this distance.</summary>
    internal long MessagesReceived(LinkClass link) => Sum(_messagesReceived, link);

    internal void CountSent(int peer, int payload)
    {
        Add(_bytesSent, peer, payload + EnvelopeBytes);
        Add(_messagesSent, peer, 1);
    }

    internal void CountReceived(int peer, int payload)
    {
        Add(_bytesReceived, peer, payload + EnvelopeBytes);
        Add(_messagesReceived, peer, 1);
    }

    internal void CountCreditsSent(int peer) => Add(_bytesSent, peer, EnvelopeBytes);

    internal void CountCreditsReceived(int peer) => Add(_bytesReceived, peer, EnvelopeBytes);

    // One thread writes.
    private static void Add(long[] counters, int peer, long amount) => Volatile.Write(ref counters[peer], counters[peer] + amount);

    private long Sum(long[] counters, LinkClass link)
    {
        long sum = 0;
        for (int peer = 0; peer < counters.Length; peer++)
        {
            sum += _topology.Between(_rank, peer) == link ? Volatile.Read(ref counters[peer]) : 0;
        }

        return sum;
    }
}
