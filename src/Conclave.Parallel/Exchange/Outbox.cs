using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Exchange;

/// <summary>
/// The messages of an exchange that are being sent: for each peer a ring of buffers, which are first written, then taken by the transport when it has a credit, and
/// free again when the transport is done with them. Nothing waits here.
/// </summary>
internal sealed class Outbox
{
    // One on its way while the next is written.
    private const int BuffersOfPeer = 2;

    private readonly ITransport _transport;
    private readonly NativeBuffer _memory;
    private readonly Ring[] _rings;
    private readonly Entry[] _entries;

    public Outbox(ITransport transport)
    {
        _transport = transport;
        _memory = transport.Register(checked((nint)transport.World * BuffersOfPeer * transport.MaxMessageBytes));
        _rings = new Ring[transport.World];
        _entries = new Entry[transport.World * BuffersOfPeer];
    }

    /// <summary>Whether messages of a slot are here that the transport has not taken.</summary>
    public bool Holds(int slot)
    {
        for (int peer = 0; peer < _rings.Length; peer++)
        {
            for (uint number = _rings[peer].Taken; number != _rings[peer].Written; number++)
            {
                if (MessageTag.Decode(_entries[Index(peer, number)].Tag).Slot == slot)
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>The memory for the next message to a peer; empty where all its buffers are in use.</summary>
    public Span<byte> Next(int peer)
    {
        ref Ring ring = ref _rings[peer];
        return ring.Written - ring.Done == BuffersOfPeer ? default : Slice(peer, ring.Written, _transport.MaxMessageBytes).Span;
    }

    /// <summary>The memory of <see cref="Next"/> holds a message.</summary>
    public void Add(int peer, ulong tag, int length) => _entries[Index(peer, _rings[peer].Written++)] = new Entry(tag, length);

    /// <summary>Hands messages to the transport as far as it has credits for the peer.</summary>
    /// <returns>Whether it took any.</returns>
    public bool Send(int peer)
    {
        ref Ring ring = ref _rings[peer];
        uint before = ring.Taken;
        while (ring.Taken != ring.Written)
        {
            Entry entry = _entries[Index(peer, ring.Taken)];
            if (!_transport.TrySend(peer, entry.Tag, Slice(peer, ring.Taken, entry.Length)))
            {
                break;
            }

            ring.Taken++;
        }

        return ring.Taken != before;
    }

    /// <summary>The transport is done with the oldest message to a peer.</summary>
    public void Complete(int peer) => _rings[peer].Done++;

    /// <summary>Whether the transport is done with all messages to a peer.</summary>
    public bool HasLeftFor(int peer) => _rings[peer].Done == _rings[peer].Written;

    /// <summary>Whether the transport has taken all messages to a peer.</summary>
    public bool IsEmptyFor(int peer) => _rings[peer].Taken == _rings[peer].Written;

    private static int Index(int peer, uint number) => (peer * BuffersOfPeer) + (int)(number % BuffersOfPeer);

    private NativeSlice Slice(int peer, uint number, int length) =>
        new(_memory, (nint)Index(peer, number) * _transport.MaxMessageBytes, length);

    private struct Ring
    {
        public uint Written;
        public uint Taken;
        public uint Done;
    }

    private readonly record struct Entry(ulong Tag, int Length);
}
