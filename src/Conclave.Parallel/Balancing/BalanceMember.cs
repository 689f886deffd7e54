using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Balancing;

/// <summary>A rank's part in a change of placement: it gets the experts ready on another thread, says so, and switches before the step that it is told.</summary>
/// <param name="exchange">The rank's exchange.</param>
/// <param name="placement">What it uses now.</param>
/// <param name="hasExperts">Whether each of the model's layers has experts.</param>
/// <param name="prepare">Gets the experts of these slots ready; what it returns puts them in use, between two steps.</param>
/// <param name="run">Runs something on another thread.</param>
/// <param name="noteFailure">Is told what failed and why.</param>
internal sealed class BalanceMember(
    RankedExchange exchange,
    ExpertPlacement placement,
    IReadOnlyList<bool> hasExperts,
    Func<IReadOnlyList<SlotMap?>, Action> prepare,
    Func<Func<PreparedPlacement>, Task<PreparedPlacement>> run,
    Action<string> noteFailure)
{
    private Task<PreparedPlacement>? _preparation;
    private PreparedPlacement? _prepared;

    /// <summary>The placement in force.</summary>
    public ExpertPlacement Placement { get; private set; } = placement;

    /// <summary>The proposal that is being prepared or waits for its step; 0: none.</summary>
    public uint Proposal { get; private set; }

    /// <summary>Whether the proposal's experts are ready (true) or cannot be (false); null as long as that is not known.</summary>
    public bool? IsReady { get; private set; }

    /// <summary>The step before which the proposal comes into force; the last of all where that is not known.</summary>
    public long SwitchStep { get; private set; } = long.MaxValue;

    /// <summary>Whether the step is known.</summary>
    public bool IsCommitted => SwitchStep != long.MaxValue;

    /// <summary>Begins to get ready for a placement.</summary>
    /// <param name="proposal">Its number.</param>
    /// <param name="experts">The expert of each slot, layer by layer; from another rank, so not to be believed.</param>
    public void Begin(uint proposal, int[] experts)
    {
        Proposal = proposal;
        IsReady = null;
        ExpertPlacement present = Placement;
        _preparation = run(() =>
        {
            ExpertPlacement next = new(present.Shape, experts, present.Epoch + 1);
            IReadOnlyList<SlotMap?> slots = SlotMap.ByLayer(next, hasExperts);
            return new PreparedPlacement(next, slots, prepare(slots));
        });
    }

    /// <summary>Looks whether the preparation has ended.</summary>
    /// <returns>True once for each.</returns>
    public bool HasEndedPreparation()
    {
        if (_preparation is not { IsCompleted: true } ended)
        {
            return false;
        }

        _preparation = null;
        try
        {
            _prepared = ended.GetAwaiter().GetResult();
            exchange.PreparePlacement(_prepared.Slots);
            IsReady = true;
        }
        catch (Exception e)
        {
            // Whatever it was, steps go on with the experts that are there.
            noteFailure($"this rank could not get the experts of a new placement: {e.Message}");
            IsReady = false;
        }

        return true;
    }

    /// <summary>The proposal comes into force before that step.</summary>
    public void Commit(long step) => SwitchStep = step;

    /// <summary>Drops the proposal.</summary>
    public void Cancel()
    {
        Proposal = 0;
        IsReady = null;
        _prepared = null;
    }

    /// <summary>Switches if it is time.</summary>
    /// <returns>Whether it did.</returns>
    public bool TrySwitch(long step)
    {
        if (step != SwitchStep)
        {
            return false;
        }

        exchange.SwitchPlacement();
        _prepared!.Use();
        Placement = _prepared.Placement;
        SwitchStep = long.MaxValue;
        Cancel();
        return true;
    }

    /// <summary>Returns when nothing runs on another thread any more.</summary>
    public void Wait() => ((IAsyncResult?)_preparation)?.AsyncWaitHandle.WaitOne();
}

/// <summary>A placement whose experts a rank holds.</summary>
/// <param name="Placement">The placement.</param>
/// <param name="Slots">The same as the exchange wants it.</param>
/// <param name="Use">Puts the experts in use.</param>
internal sealed record PreparedPlacement(ExpertPlacement Placement, IReadOnlyList<SlotMap?> Slots, Action Use);
