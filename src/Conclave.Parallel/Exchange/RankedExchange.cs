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
/// sends is believed before it is checked. After an exception nothing can be exchanged any more: its slots and the transport are to be disposed.
/// </summary>
public sealed unsafe class RankedExchange : IExpertExchange
{
    private readonly ExchangeShape _shape;
    private readonly WorkerTeam _team;
    private readonly Placements _placements;
    private readonly ChoiceCounts _choices;
    private readonly MessagePump _pump;

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

        _team = team;
        _placements = new Placements(slotsByLayer, transport.Rank);
        _shape = new ExchangeShape(transport.Rank, topology, _placements.MostSlots, options, hiddenSize, expertsPerToken, kernels);
        if (_shape.LargestRecord > transport.MaxMessageBytes)
        {
            throw new ArgumentException(
                $"a token of {hiddenSize} numbers takes {_shape.LargestRecord} bytes, a message {transport.MaxMessageBytes}", nameof(transport));
        }

        _choices = new ChoiceCounts(slotsByLayer, transport.World);
        Traffic = new ExchangeTraffic(_choices, topology, transport.Rank, hiddenSize);
        _pump = new MessagePump(transport, _shape, _placements, Traffic);
    }

    /// <summary>What was sent so far.</summary>
    public ExchangeTraffic Traffic { get; }

    /// <summary>The number of this rank.</summary>
    internal int Rank => _shape.Rank;

    /// <summary>k.</summary>
    internal int ExpertsPerToken => _shape.ExpertsPerToken;

    /// <summary>Where experts are now; null for layers without experts.</summary>
    internal IReadOnlyList<SlotMap?> SlotsByLayer => _placements.Present.ByLayer;

    /// <summary>What this rank's tokens chose so far.</summary>
    internal ChoiceCounts Choices => _choices;

    /// <summary>Counts the placements that were in force before this one.</summary>
    public long Epoch => _placements.Present.Epoch;

    /// <inheritdoc/>
    /// <remarks>All ranks create the same slots, in the same order, before the first exchange.</remarks>
    public ExchangeSlot CreateSlot(int maxTokens)
    {
        if (_pump.Slots.Count == MessageTag.MaxSlots)
        {
            throw new InvalidOperationException($"an exchange has at most {MessageTag.MaxSlots} slots");
        }

        RankedSlot slot = new(_shape, _pump.Slots.Count, maxTokens);
        _pump.Add(slot);
        return slot;
    }

    /// <inheritdoc/>
    public void BeginDispatch(ExchangeSlot slot, int layer, TensorView hidden, in Routing routing)
    {
        RankedSlot ranked = (RankedSlot)slot;
        Flight flight = ranked.Current;
        _pump.QueueUp(ranked);
        ranked.IsCombining = false;
        ranked.Clock.Begin();
        flight.Begin(layer, _placements.Present, hidden, routing);
        _choices.Count(layer, _placements.Present.ByLayer[layer]!, flight.ChosenSlots);
        _pump.ProgressOnce();
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
            _pump.ProgressOrWait(flight);
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
        _pump.QueueUp(ranked);
        ranked.IsCombining = true;
        ranked.Clock.Begin();
        ranked.Current.BeginCombine(outputs);
        _pump.ProgressOnce();
    }

    /// <inheritdoc/>
    /// <exception cref="PeerException">A rank failed or sent what cannot be.</exception>
    public void FinishCombine(ExchangeSlot slot, TensorView destination)
    {
        RankedSlot ranked = (RankedSlot)slot;
        long entered = Stopwatch.GetTimestamp();
        while (!_pump.HasCombined(ranked))
        {
            _pump.ProgressOrWait(ranked.Current);
        }

        CountTime(ranked, entered);
        _team.Run(new SumWork(ranked.Current, destination));
        ranked.Advance();
        _pump.ProgressOnce();
    }

    /// <inheritdoc/>
    /// <exception cref="PeerException">A rank sent what cannot be.</exception>
    public void Progress()
    {
        while (_pump.ProgressOnce())
        {
        }
    }

    /// <summary>
    /// Waits until all that this rank has sent has left it: before it waits for something else, because what a transport has taken need not leave without progress.
    /// </summary>
    /// <exception cref="PeerException">A rank failed before it was sent everything.</exception>
    public void Flush() => _pump.Flush();

    /// <summary>
    /// Makes the next placement known: from now on peers may use it, while this rank goes on with the present one until <see cref="SwitchPlacement"/>. Takes the place of one that was
    /// prepared before and not switched to.
    /// </summary>
    /// <param name="slotsByLayer">As many layers and experts as ever, and on this rank no more slots of a layer than the first placement had at most.</param>
    /// <exception cref="ArgumentException">They are not.</exception>
    public void PreparePlacement(IReadOnlyList<SlotMap?> slotsByLayer) => _placements.Prepare(slotsByLayer);

    /// <summary>
    /// Puts the prepared placement in force. All ranks do so between the same two exchanges, when all have prepared it and this one has none under way; who does not is refused by
    /// the others.
    /// </summary>
    /// <exception cref="InvalidOperationException">None was prepared, or an exchange is under way.</exception>
    public void SwitchPlacement()
    {
        if (_pump.Slots.Any(slot => slot.Current.IsUnderWay))
        {
            throw new InvalidOperationException("the placement cannot change while an exchange is under way");
        }

        _placements.Switch();
    }

    /// <summary>Lets ranks talk beside the exchanges; on all of them, in the same order, before the first exchange.</summary>
    internal SideChannel Attach(ISideMessages messages) => _pump.Attach(messages);

    /// <summary>Progresses until a peer has answered; what it answers comes over the side channel.</summary>
    /// <exception cref="PeerException">It failed, or a rank sent what cannot be.</exception>
    internal void WaitFor(int peer, Func<int, bool> hasAnswered) => _pump.WaitFor(peer, hasAnswered);

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

    private readonly struct SumWork(Flight flight, TensorView destination) : IWork
    {
        public void Run(int worker, int workers)
        {
            (nint first, nint end) = WorkRange.Of(flight.Tokens, worker, workers);
            for (int token = (int)first; token < end; token++)
            {
                flight.Sum(token, destination.PointerF32(token));
            }
        }
    }
}
