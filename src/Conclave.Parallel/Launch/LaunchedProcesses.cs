namespace Conclave.Parallel.Launch;

/// <summary>Processes that a launch has started. Disposing ends those that still run.</summary>
public abstract class LaunchedProcesses : IDisposable
{
    /// <summary>Waits until all have ended and everything that they wrote is passed on; false where that takes longer.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public abstract bool WaitForExit(TimeSpan atMost, CancellationToken cancellation);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends what still runs.</summary>
    protected abstract void Dispose(bool disposing);
}
