using System.Buffers.Binary;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Balancing;

/// <summary>
/// What rank 0 does beside its own part: it sums loads, has a placement planned on another thread, sends it to all ranks, and when all are ready names the step before which they switch.
/// All of this between steps, of which it holds up one only: the last before the switch waits until all ranks have acknowledged, because afterwards they must not differ. They were told some steps
/// before, so there is nothing to wait for unless messages are slower than steps.
/// </summary>
internal sealed class BalanceLeader
{
    /// <summary>Steps between naming the step of a switch and that step.</summary>
    public const int StepsAhead = 4;

    private readonly RankedExchange _exchange;
    private readonly BalanceMember _member;
    private readonly Func<ExpertLoads, ExpertPlacement, ExpertPlacement> _plan;
    private readonly Func<Func<PlannedPlacement>, Task<PlannedPlacement>> _run;
    private readonly Action<string> _noteFailure;
    private readonly long _windowChoices;
    private readonly Peer[] _peers;
    private readonly Func<int, bool> _hasAcknowledged;
    private readonly ushort[] _experts;
    private Phase _phase;
    private ExpertLoads? _past;
    private Task<PlannedPlacement>? _planning;
    private uint _proposal;
    private int _due;

    /// <summary>Creates the leader of a world.</summary>
    /// <param name="exchange">Rank 0's exchange.</param>
    /// <param name="member">Rank 0's own part.</param>
    /// <param name="world">Number of ranks.</param>
    /// <param name="windowChoices">Choices of experts, over all layers, that make a window.</param>
    /// <param name="plan">A placement for loads; its second argument is the one in force.</param>
    /// <param name="run">Runs something on another thread.</param>
    /// <param name="noteFailure">Is told what failed and why.</param>
    public BalanceLeader(
        RankedExchange exchange,
        BalanceMember member,
        int world,
        long windowChoices,
        Func<ExpertLoads, ExpertPlacement, ExpertPlacement> plan,
        Func<Func<PlannedPlacement>, Task<PlannedPlacement>> run,
        Action<string> noteFailure)
    {
        _exchange = exchange;
        _member = member;
        _windowChoices = windowChoices;
        _plan = plan;
        _run = run;
        _noteFailure = noteFailure;
        _peers = [.. Enumerable.Range(0, world).Select(_ => new Peer())];
        _hasAcknowledged = peer => _peers[peer].HasAcknowledged;
        ExpertPlacement placement = member.Placement;
        _experts = new ushort[placement.Layers * placement.Shape.Slots];
        Window = new LoadWindow(placement.Layers, placement.Shape);
        Score = new BalanceScore(placement);
    }

    private enum Phase
    {
        Counting,
        Planning,
        Preparing,
        Committing,
    }

    /// <summary>The loads since the last plan.</summary>
    public LoadWindow Window { get; }

    /// <summary>How even the windows were. Changes while a placement is planned, on another thread; settled after <see cref="Wait"/>.</summary>
    public BalanceScore Score { get; }

    /// <summary>Whether a placement is being planned.</summary>
    public bool IsPlanning => _phase == Phase.Planning;

    /// <summary>Proposals that some rank could not prepare, and plans that failed.</summary>
    public int Abandoned { get; private set; }

    /// <summary>Whether there is something to tell somebody.</summary>
    public bool HasMessages => _due > 0;

    /// <summary>Goes on, before a step.</summary>
    /// <param name="step">Its number.</param>
    public void BetweenSteps(long step)
    {
        switch (_phase)
        {
            case Phase.Counting when Window.Total >= _windowChoices:
                BeginPlan();
                break;
            case Phase.Planning when _planning!.IsCompleted:
                EndPlan();
                break;
            case Phase.Preparing when _member.IsReady is not null && Others(static peer => peer.IsReady is not null):
                Decide(step);
                break;
            case Phase.Committing when step >= _member.SwitchStep - 1:
                for (int peer = 1; peer < _peers.Length; peer++)
                {
                    _exchange.WaitFor(peer, _hasAcknowledged);
                }

                // The member switches before the next step.
                _phase = Phase.Counting;
                break;
        }
    }

    /// <summary>Writes the next message to a peer.</summary>
    /// <returns>Its length; 0 where there is none.</returns>
    public int Write(int to, Span<byte> memory)
    {
        Peer peer = _peers[to];
        if (peer.Canceled != 0)
        {
            int length = BalancerMessage.WriteHeader(memory, BalancerMessageKind.Cancel, peer.Canceled, 0);
            peer.Canceled = 0;
            _due--;
            return length;
        }

        if (peer.Written < _experts.Length && _phase == Phase.Preparing)
        {
            int length = BalancerMessage.WriteHeader(memory, BalancerMessageKind.Proposal, _proposal, peer.Written);
            for (; peer.Written < _experts.Length && length + sizeof(ushort) <= memory.Length; length += sizeof(ushort))
            {
                BinaryPrimitives.WriteUInt16LittleEndian(memory[length..], _experts[peer.Written++]);
            }

            _due -= peer.Written == _experts.Length ? 1 : 0;
            return length;
        }

        if (peer.MustCommit)
        {
            peer.MustCommit = false;
            _due--;
            return BalancerMessage.WriteHeader(memory, BalancerMessageKind.Commit, _proposal, _member.SwitchStep);
        }

        return 0;
    }

    /// <summary>Takes a message of another rank.</summary>
    /// <exception cref="PeerException">The message cannot be.</exception>
    public void Read(int from, in BalancerMessage message)
    {
        Peer peer = _peers[from];
        bool answers = message.Proposal == _proposal && message.Numbers.IsEmpty;
        switch (message.Kind)
        {
            case BalancerMessageKind.Counts when Window.TryAdd(message):
                break;
            case BalancerMessageKind.Ready or BalancerMessageKind.Failed
                when answers && _phase == Phase.Preparing && peer.Written == _experts.Length && peer.IsReady is null:
                peer.IsReady = message.Kind == BalancerMessageKind.Ready;
                break;
            case BalancerMessageKind.Acknowledge when answers && _phase == Phase.Committing && !peer.MustCommit && !peer.HasAcknowledged:
                peer.HasAcknowledged = true;
                break;
            default:
                throw new PeerException(from, $"sent the leader a message of the balancer ({message.Kind}) that cannot be");
        }
    }

    /// <summary>Returns when nothing runs on another thread any more.</summary>
    public void Wait() => ((IAsyncResult?)_planning)?.AsyncWaitHandle.WaitOne();

    private void BeginPlan()
    {
        (ExpertLoads window, double[][] ranks) = Window.Take();
        ExpertLoads? past = _past;
        ExpertPlacement present = _member.Placement;
        _planning = _run(() =>
        {
            Score.Add(present.Epoch, window, ranks);
            ExpertLoads loads = LoadHistory.Blend(past, window);
            return new PlannedPlacement(loads, _plan(loads, present));
        });
        _phase = Phase.Planning;
    }

    private void EndPlan()
    {
        _phase = Phase.Counting;
        Task<PlannedPlacement> ended = _planning!;
        _planning = null;
        try
        {
            PlannedPlacement plan = ended.GetAwaiter().GetResult();
            _past = plan.Loads;
            if (plan.Placement.CopiesFrom(_member.Placement) > 0)
            {
                Propose(plan.Placement);
            }
        }
        catch (Exception e)
        {
            // Whatever it was, steps go on where experts are.
            _noteFailure($"no new placement of experts could be planned: {e.Message}");
            Abandoned++;
        }
    }

    private void Propose(ExpertPlacement placement)
    {
        int[] experts = [.. Enumerable.Range(0, placement.Layers).SelectMany(layer => placement.Experts(layer).ToArray())];
        for (int i = 0; i < experts.Length; i++)
        {
            _experts[i] = checked((ushort)experts[i]);
        }

        _proposal++;
        foreach (Peer peer in _peers.AsSpan(1))
        {
            peer.Written = 0;
            peer.IsReady = null;
            peer.HasAcknowledged = false;
        }

        _due += _peers.Length - 1;
        _phase = Phase.Preparing;
        _member.Begin(_proposal, experts);
    }

    private void Decide(long step)
    {
        bool canSwitch = _member.IsReady == true && Others(static peer => peer.IsReady == true);
        foreach (Peer peer in _peers.AsSpan(1))
        {
            peer.MustCommit = canSwitch;
            peer.Canceled = canSwitch ? 0 : _proposal;
        }

        _due += _peers.Length - 1;
        if (canSwitch)
        {
            _member.Commit(step + StepsAhead);
            _phase = Phase.Committing;
        }
        else
        {
            _member.Cancel();
            Abandoned++;
            _phase = Phase.Counting;
        }
    }

    /// <summary>Whether something is true of all ranks but this one.</summary>
    private bool Others(Func<Peer, bool> condition)
    {
        foreach (Peer peer in _peers.AsSpan(1))
        {
            if (!condition(peer))
            {
                return false;
            }
        }

        return true;
    }

    private sealed class Peer
    {
        /// <summary>Slots of the proposal that were written.</summary>
        public int Written { get; set; }

        public bool? IsReady { get; set; }

        public bool MustCommit { get; set; }

        public bool HasAcknowledged { get; set; }

        /// <summary>The proposal to cancel; 0: none.</summary>
        public uint Canceled { get; set; }
    }
}

/// <summary>A placement and what it was planned for.</summary>
internal sealed record PlannedPlacement(ExpertLoads Loads, ExpertPlacement Placement);
