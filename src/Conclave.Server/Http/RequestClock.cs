namespace Conclave.Server.Http;

/// <summary>The time that a request has left.</summary>
internal sealed class RequestClock : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly TimeSpan _time;
    private bool _hasRestarted;

    /// <summary>Begins to count.</summary>
    /// <param name="time">How long the request may take.</param>
    /// <param name="aborted">Cancelled when the client has left.</param>
    public RequestClock(TimeSpan time, CancellationToken aborted)
    {
        _time = time;
        _source = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        _source.CancelAfter(time);
    }

    /// <summary>Cancelled when the time is over or the client has left.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>A stream goes on: it may go on for ever, as long as it does not stand still for the whole time.</summary>
    public void Restart()
    {
        _hasRestarted = true;
        _source.CancelAfter(_time);
    }

    /// <summary>What a client is told whose time is over.</summary>
    public ApiException Expired() => new(
        StatusCodes.Status504GatewayTimeout, "timeout_error",
        _hasRestarted ? $"the answer did not go on for {_time.TotalSeconds} s and was cancelled" : $"the answer was not complete after {_time.TotalSeconds} s and was cancelled",
        code: "timeout");

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();
}
