using System.Diagnostics;
using Conclave.Transport;

namespace Conclave.Parallel.Exchange;

/// <summary>
/// Moves the messages of a <see cref="RankedExchange"/>, and of what ranks say beside it, between its slots and the transport: in the calls of one thread, which takes what has come and sends what
/// there is room for.
/// </summary>
internal sealed class MessagePump
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(100);

    private readonly ITransport _transport;
    private readonly ExchangeShape _shape;
    private readonly Placements _placements;
    private readonly ExchangeTraffic _traffic;
    private readonly Outbox _outbox;
    private readonly List<RankedSlot> _slots = [];
    private readonly List<RankedSlot> _oldestFirst = [];
    private readonly List<SideChannel> _sides = [];
    private readonly Completion[] _completions = new Completion[64];
    private readonly string?[] _failures;

    public MessagePump(ITransport transport, ExchangeShape shape, Placements placements, ExchangeTraffic traffic)
    {
        _transport = transport;
        _shape = shape;
        _placements = placements;
        _traffic = traffic;
        _outbox = new Outbox(transport);
        _failures = new string?[transport.World];
    }

    /// <summary>The micro-batches whose messages it moves, by their number.</summary>
    public IReadOnlyList<RankedSlot> Slots => _slots;

    /// <summary>Moves the messages of one more slot.</summary>
    public void Add(RankedSlot slot)
    {
        _slots.Add(slot);
        _oldestFirst.Add(slot);
    }

    /// <summary>Opens one more channel beside the exchanges.</summary>
    public SideChannel Attach(ISideMessages messages)
    {
        SideChannel side = new(_transport, _sides.Count, messages, (peer, bytes) => _traffic.CountBeside(_shape.Topology.Between(_shape.Rank, peer), bytes));
        _sides.Add(side);
        return side;
    }

    /// <summary>A half of a slot's exchange begins. It gives way to those that began before it: whoever waits for both needs theirs first.</summary>
    public void QueueUp(RankedSlot slot)
    {
        _oldestFirst.Remove(slot);
        _oldestFirst.Add(slot);
    }

    /// <summary>Whether everything that a slot's combine waits for is there, and the transport has taken everything that others wait for.</summary>
    public bool HasCombined(RankedSlot slot) => slot.Current.IsDone && !_outbox.Holds(slot.Number);

    /// <summary>Takes what has come and sends what there is room for now. Whoever begins something does no more than that: the rest is done while others compute.</summary>
    /// <returns>Whether there was any; more may have become possible.</returns>
    /// <exception cref="PeerException">A rank sent what cannot be.</exception>
    public bool ProgressOnce()
    {
        bool progress = Receive() | Send();
        foreach (RankedSlot slot in _slots)
        {
            if (slot.Clock.IsRunning && (slot.IsCombining ? HasCombined(slot) : slot.Current.HasReceived))
            {
                slot.Clock.Arrive();
            }
        }

        return progress;
    }

    /// <summary>The same; where there was nothing to do it waits.</summary>
    /// <exception cref="PeerException">A rank of which the flight needs something failed, or one sent what cannot be.</exception>
    public void ProgressOrWait(Flight flight)
    {
        if (ProgressOnce())
        {
            return;
        }

        // A rank that has done its part may leave.
        for (int peer = 0; peer < _failures.Length; peer++)
        {
            if (_failures[peer] is string reason && (flight.Needs(peer) || !_outbox.IsEmptyFor(peer)))
            {
                throw new PeerException(peer, reason);
            }
        }

        long start = Stopwatch.GetTimestamp();
        _transport.Wait(LongestWait);
        _traffic.CountWait(Stopwatch.GetElapsedTime(start));
    }

    /// <summary>Progresses until a peer has answered; what it answers comes over a side channel.</summary>
    /// <exception cref="PeerException">It failed, or a rank sent what cannot be.</exception>
    public void WaitFor(int peer, Func<int, bool> hasAnswered)
    {
        while (!hasAnswered(peer))
        {
            ProgressOrWaitFor(peer);
        }
    }

    /// <summary>Waits until all that was written has left this rank.</summary>
    /// <exception cref="PeerException">A rank failed before it was sent everything, or one sent what cannot be.</exception>
    public void Flush()
    {
        for (int peer = 0; peer < _failures.Length; peer++)
        {
            while (!_outbox.HasLeftFor(peer))
            {
                ProgressOrWaitFor(peer);
            }
        }
    }

    private void ProgressOrWaitFor(int peer)
    {
        if (ProgressOnce())
        {
            return;
        }

        // What came before a failure was taken before it.
        if (_failures[peer] is string reason)
        {
            throw new PeerException(peer, reason);
        }

        _transport.Wait(LongestWait);
    }

    private bool Receive()
    {
        int count = _transport.Poll(_completions);
        foreach (ref readonly Completion completion in _completions.AsSpan(0, count))
        {
            switch (completion.Kind)
            {
                case CompletionKind.Sent:
                    Complete(completion.Peer, completion.Tag);
                    break;
                case CompletionKind.Received:
                    Accept(completion.Peer, completion.Tag, completion.Payload.Span);
                    _transport.Release(completion);
                    break;
                default:
                    _failures[completion.Peer] = completion.Reason;
                    break;
            }
        }

        return count > 0;
    }

    private void Complete(int peer, ulong code)
    {
        MessageTag tag = MessageTag.Decode(code);
        if (tag.Kind == MessageKind.Side)
        {
            _sides[tag.Slot].Complete(peer);
        }
        else
        {
            _outbox.Complete(peer);
        }
    }

    private void Accept(int peer, ulong code, ReadOnlySpan<byte> message)
    {
        MessageTag tag = MessageTag.Decode(code);
        if (tag.Kind == MessageKind.Side && tag.Slot < _sides.Count)
        {
            _sides[tag.Slot].Accept(peer, message);
            return;
        }

        Flight? flight = tag.Slot < _slots.Count ? _slots[tag.Slot].At(tag.Step) : null;
        if (flight is null)
        {
            throw new PeerException(peer, $"sent a message ({tag}) of an exchange that is not under way");
        }

        flight.Accept(peer, tag, _placements.Find(peer, tag), message);
    }

    private bool Send()
    {
        bool progress = false;
        foreach (SideChannel side in _sides)
        {
            progress |= side.Send();
        }

        for (int distance = 0; distance < _shape.Hosts.World; distance++)
        {
            // Each rank begins with itself, so that not all send to the same one at once.
            int peer = (_shape.Rank + distance) % _shape.Hosts.World;
            while (TryWrite(peer))
            {
                progress = true;
            }

            progress |= _outbox.Send(peer);
        }

        return progress;
    }

    /// <summary>Writes one message to a peer, of the oldest way that has one.</summary>
    private bool TryWrite(int peer)
    {
        Span<byte> memory = _outbox.Next(peer);
        if (memory.IsEmpty)
        {
            return false;
        }

        foreach (RankedSlot slot in _oldestFirst)
        {
            Flight flight = slot.Current;
            foreach (Outflow outflow in flight.Outflows)
            {
                MessageWriter writer = new(memory);
                if (outflow.Open > 0 && outflow.TryWrite(peer, ref writer))
                {
                    MessageTag tag = new(outflow.Kind, writer.IsLast, slot.Number, flight.Layer, flight.Epoch, flight.Step);
                    _outbox.Add(peer, tag.Encode(), writer.Length);
                    int metadata = writer.Length - writer.PayloadBytes + TransportCounters.EnvelopeBytes;
                    _traffic.CountMessage(flight.Layer, _shape.Topology.Between(_shape.Rank, peer), writer.PayloadBytes, metadata);
                    return true;
                }
            }
        }

        return false;
    }
}
