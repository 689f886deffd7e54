using Conclave.Primitives;

namespace Conclave.Transport.InProcess;

/// <summary>One rank of an <see cref="InProcessFabric"/>. A message is copied once, into a buffer of its receiver.</summary>
internal sealed class InProcessTransport : ITransport
{
    private readonly InProcessTransport[] _endpoints;
    private readonly MessageRing[] _inbound;
    private readonly MessageRing[] _outbound;
    private readonly Random? _random;
    private readonly int[] _order;
    private readonly bool[] _failureReported;
    private readonly (int Peer, ulong Tag)[] _sent;
    private readonly List<NativeBuffer> _registered = [];
    private long _sentPut;
    private long _sentReported;
    private int _next;
    private bool _mayHaveMore;
    private bool _closed;

    public InProcessTransport(
        InProcessTransport[] endpoints, int rank, Topology topology, TransportOptions options, MessageRing[] inbound, MessageRing[] outbound, Random? random)
    {
        _endpoints = endpoints;
        _inbound = inbound;
        _outbound = outbound;
        _random = random;
        Rank = rank;
        World = topology.World;
        MaxMessageBytes = options.MaxMessageBytes;
        Counters = new TransportCounters(topology, rank);
        _order = [.. Enumerable.Range(0, World)];
        _failureReported = new bool[World];
        _sent = new (int, ulong)[World * options.Credits];
    }

    public int Rank { get; }

    public int World { get; }

    public int MaxMessageBytes { get; }

    public TransportCounters Counters { get; }

    internal Doorbell Doorbell { get; } = new();

    public NativeBuffer Register(nint bytes)
    {
        NativeBuffer buffer = new(bytes);
        _registered.Add(buffer);
        return buffer;
    }

    public bool TrySend(int peer, ulong tag, NativeSlice payload)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)peer, (uint)World, nameof(peer));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, MaxMessageBytes, nameof(payload));

        // A sender that polls too rarely to hear what it has sent waits like one without credit.
        if (_sentPut - _sentReported == _sent.Length || Volatile.Read(ref _endpoints[peer]._closed) || !_outbound[peer].TryPut(tag, payload))
        {
            return false;
        }

        _sent[_sentPut++ % _sent.Length] = (peer, tag);
        Counters.CountSent(peer, payload.Length);
        _endpoints[peer].Doorbell.Ring();
        return true;
    }

    public int Poll(Span<Completion> completions)
    {
        int count = 0;
        while (count < completions.Length && _sentReported < _sentPut)
        {
            (int peer, ulong tag) = _sent[_sentReported++ % _sent.Length];
            completions[count++] = Completion.Sent(peer, tag);
        }

        int before;
        do
        {
            before = count;
            _random?.Shuffle(_order);
            for (int visited = 0; visited < World && count < completions.Length; visited++)
            {
                int peer = _order[_next];
                _next = _next + 1 == World ? 0 : _next + 1;
                count += TakeFrom(peer, out completions[count]) ? 1 : 0;
            }
        }
        while (count > before && count < completions.Length);
        _mayHaveMore = count == completions.Length;
        return count;
    }

    public void Release(in Completion received)
    {
        if (received.Kind != CompletionKind.Received)
        {
            throw new InvalidOperationException("only a received message can be released");
        }

        _inbound[received.Peer].Release(received.Buffer);
        _endpoints[received.Peer].Doorbell.Ring();
    }

    public void Wait(TimeSpan atMost)
    {
        if (!_mayHaveMore && _sentReported == _sentPut)
        {
            Doorbell.Wait(atMost);
        }
    }

    public void Dispose()
    {
        if (_closed)
        {
            return;
        }

        Volatile.Write(ref _closed, true);
        foreach (NativeBuffer buffer in _registered)
        {
            buffer.Dispose();
        }

        foreach (InProcessTransport peer in _endpoints)
        {
            peer.Doorbell.Ring();
        }
    }

    private bool TakeFrom(int peer, out Completion completion)
    {
        // Read before the ring: what a peer sent before it closed is received before its failure.
        bool closed = Volatile.Read(ref _endpoints[peer]._closed);
        if (_inbound[peer].TryGet(peer, out completion))
        {
            Counters.CountReceived(peer, completion.Payload.Length);
            return true;
        }

        if (!closed || _failureReported[peer])
        {
            return false;
        }

        _failureReported[peer] = true;
        completion = Completion.PeerFailed(peer, "closed its transport");
        return true;
    }
}
