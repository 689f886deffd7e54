namespace Conclave.Server.Http;

/// <summary>How long a request may take, counted from its arrival, whatever is done for it; of an answer that is streamed, how long until it goes on.</summary>
internal sealed class TimeLimit(TimeSpan time)
{
    /// <summary>Handles a request with a clock, whose token is cancelled when its time is over or its client has left.</summary>
    public RequestDelegate Around(Func<HttpContext, RequestClock, Task> handle) => async context =>
    {
        using RequestClock clock = new(time, context.RequestAborted);
        try
        {
            await handle(context, clock);
        }
        catch (OperationCanceledException e) when (e is not ClientGoneException && !context.RequestAborted.IsCancellationRequested && clock.Token.IsCancellationRequested)
        {
            throw clock.Expired();
        }
    };
}
