using System.Diagnostics;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Exchange;

/// <summary>
/// The exchange of a world of ranks over a transport (DeepSeek-V3, section 3.2.2: two hops, dispatch in FP8). All ranks take part in every exchange, in the same order, also those without
/// tokens or experts. It makes progress within its own calls, on the calling thread, and in <see cref="Progress"/>. Memory is bounded: stores are sized for the most tokens of all ranks when a
/// slot is created, so what arrives can always be taken, whatever this rank itself waits for; therefore waiting for credits cannot deadlock. Nothing that a peer
/// sends is believed before it is checked. After an exception the exchange can only be disposed.
/// </summary>
public sealed unsafe class RankedExchange : IExpertExchange
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(100);

    private readonly ITransport _transport;
    private readonly ExchangeShape _shape;
    private readonly WorkerTeam _team;
    private readonly Outbox _outbox;
    private readonly List<RankedSlot> _slots = [];
    private readonly List<RankedSlot> _oldestFirst = [];
    private readonly Completion[] _completions = new Completion[64];
    private readonly string?[] _failures;
    private readonly ChoiceCounts _choices;
    private readonly List<SideChannel> _sides = [];
    private SlotMaps _placement;
    private SlotMaps? _next;

    /// <summary>Creates this rank's part of the exchange.</summary>
    /// <param name="transport">The rank's transport, for this exchange alone; it is not disposed.</param>
    /// <param name="topology">The hosts of the world's ranks.</param>
    /// <param name="slotsByLayer">Where experts are, for each layer; null for layers without experts. The same on all ranks.</param>
    /// <param name="options">The mode; the same on all ranks.</param>
    /// <param name="hiddenSize">Numbers of a token's row.</param>
    /// <param name="expertsPerToken">k.</param>
    /// <param name="kernels">The operators; the same set on all ranks, or bits differ.</param>
    /// <param name="team">Who sums.</param>
    /// <exception cref="ArgumentException">
    /// Topology and transport differ, outputs cannot be reduced on the way of one hop, a token does not fit a message, or there are more than 4096 layers.
    /// </exception>
    public RankedExchange(
        ITransport transport,
        Topology topology,
        IReadOnlyList<SlotMap?> slotsByLayer,
        ExchangeOptions options,
        int hiddenSize,
        int expertsPerToken,
        KernelSet kernels,
        WorkerTeam team)
    {
        if (topology.World != transport.World)
        {
            throw new ArgumentException($"the topology has {topology.World} ranks, the transport {transport.World}", nameof(topology));
        }

        if (options is { Path: ExchangePath.OneHop, Reduction: CombineReduction.InHost })
        {
            throw new ArgumentException("outputs are reduced by forwarders, which the way of one hop has not", nameof(options));
        }

        if (slotsByLayer.Count > MessageTag.MaxLayers)
        {
            throw new ArgumentException($"{slotsByLayer.Count} layers; at most {MessageTag.MaxLayers} are expected", nameof(slotsByLayer));
        }

        _transport = transport;
        _team = team;
        _placement = new SlotMaps(0, slotsByLayer);
        _shape = new ExchangeShape(
            transport.Rank, topology, _placement.MostSlotsOf(transport.Rank), options, hiddenSize, expertsPerToken, kernels);
        if (_shape.LargestRecord > transport.MaxMessageBytes)
        {
            throw new ArgumentException(
                $"a token of {hiddenSize} numbers takes {_shape.LargestRecord} bytes, a message {transport.MaxMessageBytes}", nameof(transport));
        }

        _failures = new string?[transport.World];
        Traffic = new ExchangeTraffic(slotsByLayer.Count);
        _choices = new ChoiceCounts(slotsByLayer, transport.World);
        _outbox = new Outbox(transport);
    }

    /// <summary>What was sent so far.</summary>
    public ExchangeTraffic Traffic { get; }

    /// <summary>The number of this rank.</summary>
    internal int Rank => _shape.Rank;

    /// <summary>k.</summary>
    internal int ExpertsPerToken => _shape.ExpertsPerToken;

    /// <summary>Where experts are now; null for layers without experts.</summary>
    internal IReadOnlyList<SlotMap?> SlotsByLayer => _placement.ByLayer;

    /// <summary>What this rank's tokens chose so far.</summary>
    internal ChoiceCounts Choices => _choices;

    /// <summary>Counts the placements that were in force before this one.</summary>
    public long Epoch => _placement.Epoch;

    /// <inheritdoc/>
    /// <remarks>All ranks create the same slots, in the same order, before the first exchange.</remarks>
    public ExchangeSlot CreateSlot(int maxTokens)
    {
        if (_slots.Count == MessageTag.MaxSlots)
        {
            throw new InvalidOperationException($"an exchange has at most {MessageTag.MaxSlots} slots");
        }

        RankedSlot slot = new(_shape, _slots.Count, maxTokens);
        _slots.Add(slot);
        _oldestFirst.Add(slot);
        return slot;
    }

    /// <inheritdoc/>
    public void BeginDispatch(ExchangeSlot slot, int layer, TensorView hidden, in Routing routing)
    {
        RankedSlot ranked = (RankedSlot)slot;
        Flight flight = ranked.Current;
        QueueUp(ranked);
        ranked.IsCombining = false;
        ranked.Clock.Begin();
        flight.Begin(layer, _placement, hidden, routing);
        _choices.Count(layer, _placement.ByLayer[layer]!, flight.ChosenSlots);
        CountFlat(layer, flight.ChosenSlots);
        ProgressOnce();
    }

    /// <inheritdoc/>
    /// <exception cref="PeerException">A rank failed or sent what cannot be.</exception>
    public ExpertRows FinishDispatch(ExchangeSlot slot, out TensorView input)
    {
        RankedSlot ranked = (RankedSlot)slot;
        Flight flight = ranked.Current;
        long entered = Stopwatch.GetTimestamp();
        while (!flight.HasReceived)
        {
            ProgressOrWait(flight);
        }

        CountTime(ranked, entered);
        ExpertRows rows = flight.Sort(out input);
        Traffic.CountRows(flight.Layer, rows.Count);
        return rows;
    }

    /// <inheritdoc/>
    public void BeginCombine(ExchangeSlot slot, TensorView outputs)
    {
        RankedSlot ranked = (RankedSlot)slot;
        QueueUp(ranked);
        ranked.IsCombining = true;
        ranked.Clock.Begin();
        ranked.Current.BeginCombine(outputs);
        ProgressOnce();
    }

    /// <inheritdoc/>
    /// <exception cref="PeerException">A rank failed or sent what cannot be.</exception>
    public void FinishCombine(ExchangeSlot slot, TensorView destination)
    {
        RankedSlot ranked = (RankedSlot)slot;
        long entered = Stopwatch.GetTimestamp();
        while (!HasCombined(ranked))
        {
            ProgressOrWait(ranked.Current);
        }

        CountTime(ranked, entered);
        _team.Run(new SumWork(ranked.Current, destination));
        ranked.Advance();
        ProgressOnce();
    }

    /// <inheritdoc/>
    /// <exception cref="PeerException">A rank sent what cannot be.</exception>
    public void Progress()
    {
        while (ProgressOnce())
        {
        }
    }

    /// <summary>
    /// Waits until all that this rank has sent has left it: before it waits for something else, because what a transport has taken need not leave without progress.
    /// </summary>
    /// <exception cref="PeerException">A rank failed before it was sent everything.</exception>
    public void Flush()
    {
        for (int peer = 0; peer < _failures.Length; peer++)
        {
            while (!_outbox.HasLeftFor(peer))
            {
                if (_failures[peer] is string reason)
                {
                    throw new PeerException(peer, reason);
                }

                if (!ProgressOnce())
                {
                    _transport.Wait(LongestWait);
                }
            }
        }
    }

    /// <summary>
    /// Makes the next placement known: from now on peers may use it, while this rank goes on with the present one until <see cref="SwitchPlacement"/>. Takes the place of one that was
    /// prepared before and not switched to.
    /// </summary>
    /// <param name="slotsByLayer">As many layers and experts as ever, and on this rank no more slots of a layer than the first placement had at most.</param>
    /// <exception cref="ArgumentException">They are not.</exception>
    public void PreparePlacement(IReadOnlyList<SlotMap?> slotsByLayer)
    {
        SlotMaps next = new(_placement.Epoch + 1, slotsByLayer);
        if (!next.ByLayer.Select(slots => slots?.Experts).SequenceEqual(_placement.ByLayer.Select(slots => slots?.Experts))
            || next.MostSlotsOf(_shape.Rank) > _shape.MaxLocalSlots)
        {
            throw new ArgumentException("the placement has other layers or experts, or more slots on this rank than stores were made for", nameof(slotsByLayer));
        }

        _next = next;
    }

    /// <summary>
    /// Puts the prepared placement in force. All ranks do so between the same two exchanges, when all have prepared it and this one has none under way; who does not is refused by
    /// the others.
    /// </summary>
    /// <exception cref="InvalidOperationException">None was prepared, or an exchange is under way.</exception>
    public void SwitchPlacement()
    {
        if (_slots.Exists(slot => slot.Current.IsUnderWay))
        {
            throw new InvalidOperationException("the placement cannot change while an exchange is under way");
        }

        _placement = _next ?? throw new InvalidOperationException("no placement was prepared");
        _next = null;
    }

    /// <summary>Lets ranks talk beside the exchanges; on all of them, in the same order, before the first exchange.</summary>
    internal SideChannel Attach(ISideMessages messages)
    {
        SideChannel side = new(_transport, _sides.Count, messages, (peer, bytes) => Traffic.CountBeside(_shape.Topology.Between(Rank, peer), bytes));
        _sides.Add(side);
        return side;
    }

    /// <summary>Progresses until a peer has answered; what it answers comes over the side channel.</summary>
    /// <exception cref="PeerException">It failed, or a rank sent what cannot be.</exception>
    internal void WaitFor(int peer, Func<int, bool> hasAnswered)
    {
        while (!hasAnswered(peer))
        {
            if (!ProgressOnce())
            {
                if (_failures[peer] is string reason)
                {
                    throw new PeerException(peer, reason);
                }

                _transport.Wait(LongestWait);
            }
        }
    }

    private void ProgressOrWait(Flight flight)
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
        Traffic.CountWait(Stopwatch.GetElapsedTime(start));
    }

    /// <summary>Takes what has come and sends what there is room for now. Whoever begins something does no more than that: the rest is done while others compute.</summary>
    /// <returns>Whether there was any; more may have become possible.</returns>
    private bool ProgressOnce()
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

    private bool HasCombined(RankedSlot slot) => slot.Current.IsDone && !_outbox.Holds(slot.Number);

    /// <summary>Only where a rank has tokens does what it waits for depend on the exchange alone: the others also wait for whoever has some.</summary>
    private void CountTime(RankedSlot slot, long entered)
    {
        if (slot.Clock.IsRunning)
        {
            slot.Clock.Arrive();
        }

        (TimeSpan taken, TimeSpan waited) = slot.Clock.End(entered);
        if (slot.Current.Tokens > 0)
        {
            Traffic.CountTime(slot.Current.Layer, taken, waited);
        }
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

        SlotMaps placement = (byte)_placement.Epoch == tag.Epoch ? _placement : (byte?)_next?.Epoch == tag.Epoch ? _next! : throw new PeerException(
            peer, $"sent a message ({tag}) of another epoch; this rank is in epoch {_placement.Epoch}{(_next is null ? "" : " and knows the next")}");
        flight.Accept(peer, tag, placement, message);
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

    /// <summary>A way that begins gives way to those that began before it: whoever waits for both needs theirs first.</summary>
    private void QueueUp(RankedSlot slot)
    {
        _oldestFirst.Remove(slot);
        _oldestFirst.Add(slot);
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
                    Traffic.CountMessage(flight.Layer, _shape.Topology.Between(_shape.Rank, peer), writer.PayloadBytes, metadata);
                    return true;
                }
            }
        }

        return false;
    }

    private void CountFlat(int layer, in Routing chosenSlots)
    {
        SlotMap slots = _placement.ByLayer[layer]!;
        long copyAndBack = 2L * _shape.Columns * ElementFormat.BF16.Size();
        for (int token = 0; token < chosenSlots.Tokens; token++)
        {
            foreach (int slot in chosenSlots.Experts(token))
            {
                if (slot >= 0)
                {
                    Traffic.CountFlat(layer, _shape.Topology.Between(_shape.Rank, slots.RankOf(slot)), copyAndBack);
                }
            }
        }
    }

    private readonly struct SumWork(Flight flight, TensorView destination) : IWork
    {
        public void Run(int worker, int workers)
        {
            int last = (int)((long)flight.Tokens * (worker + 1) / workers);
            for (int token = (int)((long)flight.Tokens * worker / workers); token < last; token++)
            {
                flight.Sum(token, destination.PointerF32(token));
            }
        }
    }
}
