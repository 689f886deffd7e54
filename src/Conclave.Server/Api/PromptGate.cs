using System.Text.Json;
using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>
/// Bounds what requests take before they are the engine's. Of long bodies <see cref="MostBodies"/> are in memory at a time; of these one on each core but one is parsed and turned into tokens, which
/// takes seconds and many times the body's size in memory. The others wait in turn, as many as may wait for the engine. Short ones, of which <see cref="MostShort"/> are worked on at a time, do not wait behind them.
/// All of it happens on threads of its own: a schema of a few lines can take long to compile, and those of the pool are needed for answers that are under way and for /health.
/// </summary>
/// <param name="engine">Whose requests they become.</param>
/// <param name="bodyTime">How long the rest of a long body may take when its turn has come: others wait for whoever sends slowly.</param>
internal sealed class PromptGate(InferenceEngine engine, TimeSpan bodyTime)
{
    /// <summary>Bytes of a body that is not long.</summary>
    public const int ShortBytes = 256 << 10;

    /// <summary>Long bodies that are read, or wait in memory to be parsed.</summary>
    public const int MostBodies = 16;

    private readonly Seats _bodies = new(MostBodies);
    private readonly Seats _shortMakers = new(MostShort);

    // One core is left for those that are short.
    private readonly Seats _makers = new(Math.Max(1, Environment.ProcessorCount - 1));
    private int _inside;

    /// <summary>Short bodies that are worked on at a time.</summary>
    public static int MostShort { get; } = 2 * Environment.ProcessorCount;

    /// <summary>Reads a request's body and makes of it what is to be done. Nothing that is made may hold on to the body, which is gone afterwards.</summary>
    /// <exception cref="EngineUnavailableException">As many requests wait as may wait.</exception>
    /// <exception cref="ApiException">The body is not sent as JSON or is none, or its rest was not there in time.</exception>
    /// <exception cref="ClientGoneException">The client left before its end.</exception>
    public async Task<T> RunAsync<T>(HttpContext context, Func<JsonBody, T> make, CancellationToken cancellation)
    {
        JsonBody.CheckHeaders(context.Request);
        BodyText text = new(context.Request);
        if (await text.ReadAsync(ShortBytes + 1, cancellation))
        {
            using (await _shortMakers.TakeAsync(cancellation))
            {
                return await MakeAsync(text, make);
            }
        }

        try
        {
            engine.CheckAvailable(Interlocked.Increment(ref _inside));
            using (await _bodies.TakeAsync(cancellation))
            {
                await ReadRestAsync(text, cancellation);
                using (await _makers.TakeAsync(cancellation))
                {
                    return await MakeAsync(text, make);
                }
            }
        }
        finally
        {
            Interlocked.Decrement(ref _inside);
        }
    }

    private async Task ReadRestAsync(BodyText text, CancellationToken cancellation)
    {
        using CancellationTokenSource time = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        time.CancelAfter(bodyTime);
        try
        {
            await text.ReadAsync(ServerOptions.MostBodyBytes + 1, time.Token);
        }
        catch (OperationCanceledException e) when (e is not ClientGoneException && !cancellation.IsCancellationRequested)
        {
            throw new ApiException(
                StatusCodes.Status408RequestTimeout, "timeout_error",
                $"the body is longer than {ShortBytes} bytes, and its rest was not there after {bodyTime.TotalSeconds} s; send it faster, or a shorter one", code: "timeout");
        }
    }

    private static Task<T> MakeAsync<T>(BodyText text, Func<JsonBody, T> make) => Task.Factory.StartNew(
        () =>
        {
            using JsonDocument document = JsonBody.Parse(text.Content);
            return make(JsonBody.Of(document.RootElement));
        },
        CancellationToken.None,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default);
}
