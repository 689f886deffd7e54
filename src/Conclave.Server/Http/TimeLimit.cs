namespace Conclave.Server.Http;

/// <summary>How long a request may take, counted from its arrival, whatever is done for it.</summary>
internal sealed class TimeLimit(TimeSpan time)
{
    /// <summary>Handles a request with a token that is cancelled when its time is over or its client has left.</summary>
    public RequestDelegate Around(Func<HttpContext, CancellationToken, Task> handle) => async context =>
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        limit.CancelAfter(time);
        try
        {
            await handle(context, limit.Token);
        }
        catch (OperationCanceledException e) when (e is not ClientGoneException && !context.RequestAborted.IsCancellationRequested && limit.IsCancellationRequested)
        {
            throw Expired();
        }
    };

    /// <summary>What a client is told whose time is over.</summary>
    public ApiException Expired() => new(
        StatusCodes.Status504GatewayTimeout, "timeout_error", $"the answer was not complete after {time.TotalSeconds} s and was cancelled", code: "timeout");
}
