using System.Buffers.Binary;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Balancing;

/// <summary>
/// Moves experts between ranks as loads change. Each rank has one beside its exchange. What the tokens of all ranks chose is summed at rank 0; when a window is full, a placement is planned there on another
/// thread and sent to all ranks, which read the experts that are new to them into memory, also on another thread; when all are ready, all switch before the same step. A plan or a preparation that fails or
/// takes long changes nothing: steps go on where experts are. In exact mode the results of steps do not depend on any of this.
/// </summary>
/// <remarks>
/// Between two steps all ranks call <see cref="BetweenSteps"/>, those without tokens too; nothing else is to be done. Loads are those that the exchange counts. A rank tells rank 0 its own whenever it has half of
/// its share of a window, beside the exchanges, over the same transport.
/// </remarks>
public sealed class Balancer : IDisposable, ISideMessages
{
    private readonly int _rank;
    private readonly RankedExchange _exchange;
    private readonly BalanceMember _member;
    private readonly BalanceLeader? _leader;
    private readonly CountReport _counts;
    private readonly ExpertLoader? _loader;
    private readonly long _reportChoices;
    private readonly Action<string> _warn;
    private readonly int[] _proposed;
    private uint _lastProposal;
    private int _received;
    private BalancerMessageKind _answer;
    private long _step;
    private string? _failure;

    /// <summary>Creates the balancer of a rank: on all ranks with the same arguments, before the first exchange.</summary>
    /// <param name="exchange">The rank's exchange, whose slots are those of <paramref name="placement"/> (<see cref="SlotMap.ByLayer"/>).</param>
    /// <param name="model">The rank's model; disposed after the balancer.</param>
    /// <param name="placement">Where experts are at first; counts layers that have experts only.</param>
    /// <param name="options">When and how far experts are moved.</param>
    /// <param name="warn">Is told, in a call of <see cref="BetweenSteps"/>, that a plan or this rank's preparation failed, and why.</param>
    /// <exception cref="ArgumentException">Exchange and placement differ, an option is out of its range, or messages of the transport are too short.</exception>
    public Balancer(RankedExchange exchange, DeepSeekModel model, ExpertPlacement placement, BalancerOptions options, Action<string> warn)
        : this(exchange, placement, options, warn, new ExpertLoader(model, exchange.Rank))
    {
    }

    private Balancer(RankedExchange exchange, ExpertPlacement placement, BalancerOptions options, Action<string> warn, ExpertLoader loader)
        : this(
            exchange,
            placement,
            options,
            warn,
            loader.Prepare,
            (loads, present) => LeastGain.Apply(present, PlacementPlanner.Plan(present.Shape, loads, present, options.MoveBudget), loads),
            inBackground: true) => _loader = loader;

    /// <summary>The same with another way to hold experts and to plan, and where wanted without other threads.</summary>
    internal Balancer(
        RankedExchange exchange,
        ExpertPlacement placement,
        BalancerOptions options,
        Action<string> warn,
        Func<IReadOnlyList<SlotMap?>, Action> prepare,
        Func<ExpertLoads, ExpertPlacement, ExpertPlacement> plan,
        bool inBackground)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.WindowTokens, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MoveBudget ?? 0);
        IReadOnlyList<SlotMap?> slots = exchange.SlotsByLayer;
        bool[] hasExperts = [.. slots.Select(map => map is not null)];
        Check(slots, SlotMap.ByLayer(placement, hasExperts));
        _exchange = exchange;
        _warn = warn;
        _rank = exchange.Rank;
        int world = placement.Shape.Ranks;
        _proposed = new int[placement.Layers * placement.Shape.Slots];
        int[] layers = [.. Enumerable.Range(0, hasExperts.Length).Where(layer => hasExperts[layer])];
        _counts = new CountReport(exchange.Choices, layers, placement.Shape);
        _member = new BalanceMember(exchange, placement, hasExperts, prepare, work => Run(work, inBackground), NoteFailure);
        long windowChoices = (long)options.WindowTokens * exchange.ExpertsPerToken * placement.Layers;
        _reportChoices = Math.Max(1, windowChoices / 2 / world);
        if (_rank == 0)
        {
            _leader = new BalanceLeader(exchange, _member, world, windowChoices, plan, work => Run(work, inBackground), NoteFailure);
        }

        exchange.Attach(this);
    }

    /// <summary>The placement in force.</summary>
    public ExpertPlacement Placement => _member.Placement;

    /// <summary>Whether a placement is being planned, prepared or switched to; of planning only rank 0 knows.</summary>
    internal bool IsRebalancing => _member.Proposal != 0 || _leader?.IsPlanning == true;

    /// <summary>What was done; complete after <see cref="Dispose"/>.</summary>
    public BalanceReport Report => new(
        Placement.Epoch,
        _loader?.MovedBytes ?? 0,
        _leader?.Score.Windows ?? 0,
        _leader?.Score.Reached ?? 0,
        _leader?.Score.Unbalanced ?? 0,
        _leader?.Abandoned ?? 0,
        _failure);

    /// <summary>
    /// To be called by each rank before each step, on the thread that runs its steps, when it has no exchange under way: all ranks call it equally often. Switches to the next placement when it is time;
    /// otherwise looks what has happened, and returns at once. Rank 0 may have to wait here for an answer before a switch, so the others must be on their way to the same step: where one is told to begin
    /// it, all are told before rank 0 calls this.
    /// </summary>
    /// <exception cref="PeerException">A rank failed, or sent what cannot be.</exception>
    public void BetweenSteps()
    {
        _step++;
        _exchange.Progress();
        if (_counts.IsWritten && _counts.Unreported >= _reportChoices)
        {
            _counts.Take();
            if (_leader is null)
            {
                _counts.BeginWriting();
            }
            else
            {
                _leader.Window.Add(_counts.Numbers);
            }
        }

        if (_member.HasEndedPreparation() && _leader is null)
        {
            _answer = _member.IsReady == true ? BalancerMessageKind.Ready : BalancerMessageKind.Failed;
        }

        _member.TrySwitch(_step);
        _leader?.BetweenSteps(_step);
    }

    /// <summary>Waits for what runs on other threads.</summary>
    public void Dispose()
    {
        _member.Wait();
        _leader?.Wait();
    }

    /// <inheritdoc/>
    bool ISideMessages.HasMessages => _leader?.HasMessages ?? (!_counts.IsWritten || _answer != default);

    /// <inheritdoc/>
    int ISideMessages.Write(int peer, Span<byte> memory)
    {
        if (_leader is not null)
        {
            return peer == _rank ? 0 : _leader.Write(peer, memory);
        }

        if (peer != 0)
        {
            return 0;
        }

        if (_answer != default)
        {
            int length = BalancerMessage.WriteHeader(memory, _answer, _member.Proposal, 0);
            _answer = default;
            return length;
        }

        return _counts.IsWritten ? 0 : _counts.Write(memory);
    }

    /// <inheritdoc/>
    void ISideMessages.Read(int peer, ReadOnlySpan<byte> message)
    {
        if (!BalancerMessage.TryRead(message, out BalancerMessage read) || peer == _rank || (_leader is null && peer != 0))
        {
            throw new PeerException(peer, $"sent {message.Length} bytes that are no message of the balancer to this rank");
        }

        if (_leader is not null)
        {
            _leader.Read(peer, read);
        }
        else if (!TryFollow(read))
        {
            throw new PeerException(peer, $"sent a message of the balancer ({read.Kind}) that cannot be");
        }
    }

    private static Task<T> Run<T>(Func<T> work, bool inBackground)
    {
        Task<T> task = new(work);
        if (inBackground)
        {
            task.Start(TaskScheduler.Default);
        }
        else
        {
            task.RunSynchronously();
        }

        return task;
    }

    private static void Check(IReadOnlyList<SlotMap?> exchanged, IReadOnlyList<SlotMap?> placed)
    {
        for (int layer = 0; layer < exchanged.Count; layer++)
        {
            if (exchanged[layer] is { } slots && !slots.HasSameSlots(placed[layer]!))
            {
                throw new ArgumentException($"the exchange has the experts of layer {layer} in other slots than the placement", nameof(placed));
            }
        }
    }

    /// <summary>Steps go on where experts are, so nobody would notice.</summary>
    private void NoteFailure(string what)
    {
        _failure = what;
        _warn($"{what}; experts stay where they are");
    }

    /// <summary>Does what the leader says.</summary>
    /// <returns>False where it cannot be said.</returns>
    private bool TryFollow(in BalancerMessage message)
    {
        switch (message.Kind)
        {
            case BalancerMessageKind.Proposal:
                return TryTakeProposal(message);
            case BalancerMessageKind.Cancel when message.Proposal == _member.Proposal && _member.IsReady is not null && !_member.IsCommitted
                && _answer == default:
                _member.Cancel();
                return true;
            case BalancerMessageKind.Commit when message.Proposal == _member.Proposal && _member.IsReady == true && !_member.IsCommitted
                && message.Position > _step && _answer == default:
                _member.Commit(message.Position);
                _answer = BalancerMessageKind.Acknowledge;
                return true;
            default:
                return false;
        }
    }

    private bool TryTakeProposal(in BalancerMessage message)
    {
        int count = message.Numbers.Length / sizeof(ushort);
        bool continues = _received > 0 && message.Proposal == _lastProposal;
        bool begins = _received == 0 && message.Proposal != _lastProposal && message.Proposal != 0 && _member.Proposal == 0;
        if (message.Numbers.Length % sizeof(ushort) != 0 || count == 0 || count > _proposed.Length - _received || message.Position != _received
            || !(begins || continues))
        {
            return false;
        }

        _lastProposal = message.Proposal;
        for (int i = 0; i < count; i++)
        {
            _proposed[_received++] = BinaryPrimitives.ReadUInt16LittleEndian(message.Numbers[(i * sizeof(ushort))..]);
        }

        if (_received == _proposed.Length)
        {
            _received = 0;
            _member.Begin(message.Proposal, [.. _proposed]);
        }

        return true;
    }
}
