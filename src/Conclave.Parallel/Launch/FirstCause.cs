namespace Conclave.Parallel.Launch;

/// <summary>Finds the first cause of a launch's end: what is certain counts at once, what was only noticed where nobody tells better within a moment.</summary>
/// <param name="gate">Held by whoever calls.</param>
/// <param name="tell">Tells the ranks, once.</param>
internal sealed class FirstCause(Lock gate, Action<LaunchFailure> tell) : IDisposable
{
    private static readonly TimeSpan BetterCauseComesWithin = TimeSpan.FromSeconds(1);

    private readonly TaskCompletionSource<LaunchFailure?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private LaunchFailure? _suspicion;
    private Timer? _doubt;

    /// <summary>Ends with the failure, or with null where there was none.</summary>
    public Task<LaunchFailure?> Ended => _ended.Task;

    /// <summary>Nothing has failed.</summary>
    public void EndWell() => _ended.TrySetResult(null);

    /// <summary>Ends the launch, at once or when nobody has told better within a moment.</summary>
    public void Fail(int rank, string cause, bool certain)
    {
        LaunchFailure failure = new(rank, cause);
        if (certain)
        {
            Conclude(failure);
        }
        else if (_suspicion is null)
        {
            _suspicion = failure;
            _doubt = new Timer(_ => Believe(), null, BetterCauseComesWithin, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>A rank has done all it had to do: what was only noticed of it is no cause.</summary>
    public void Withdraw(int rank)
    {
        if (_suspicion?.Rank == rank)
        {
            _doubt!.Dispose();
            _suspicion = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _doubt?.Dispose();

    private void Believe()
    {
        lock (gate)
        {
            if (_suspicion is { } failure)
            {
                Conclude(failure);
            }
        }
    }

    private void Conclude(LaunchFailure failure)
    {
        if (_ended.TrySetResult(failure))
        {
            tell(failure);
        }
    }
}
