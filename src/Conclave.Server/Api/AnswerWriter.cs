using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>Submits what a request asks for and writes the answers, as a whole or as they come. Whoever leaves, or takes too long, cancels.</summary>
/// <param name="engine">Who computes.</param>
/// <param name="keepAlive">How long a stream is silent until a comment shows that it lives.</param>
internal sealed class AnswerWriter(InferenceEngine engine, TimeSpan keepAlive)
{
    /// <param name="context">The request and its response.</param>
    /// <param name="requests">What is asked for.</param>
    /// <param name="stream">Whether answers are written as they come.</param>
    /// <param name="format">How they are written.</param>
    /// <param name="clock">The request's time.</param>
    public async Task RunAsync(
        HttpContext context, IReadOnlyList<GenerationRequest> requests, StreamOptions stream, AnswerFormat format, RequestClock clock)
    {
        clock.Token.ThrowIfCancellationRequested();
        IReadOnlyList<Generation> generations = engine.Submit([.. requests.Select(request => request with { ResponseId = format.Id })]);
        RequestId.Suggest(context, format.Id);
        try
        {
            if (stream.Stream)
            {
                await StreamAsync(context.Response, generations, stream, format, clock);
            }
            else
            {
                await WholeAsync(context.Response, generations, format, clock.Token);
            }
        }
        finally
        {
            foreach (Generation generation in generations)
            {
                generation.Cancel();
            }
        }
    }

    private static async Task WholeAsync(HttpResponse response, IReadOnlyList<Generation> generations, AnswerFormat format, CancellationToken cancellation)
    {
        Usage usage = default;
        for (int i = 0; i < generations.Count; i++)
        {
            Generation generation = generations[i];
            while (await generation.WaitToReadAsync(cancellation))
            {
                while (generation.TryRead(out GenerationUpdate update))
                {
                    format.Add(Choice(i, generation, update), generation, update);
                    usage.Completion += update.Generated;
                }
            }

            usage.Prompt += generation.Request.Prompt.Count;
            usage.Cached += generation.ReusedTokens;
        }

        await JsonResponse.WriteAsync(response, json =>
        {
            json.WriteStartObject();
            format.WriteHead(json, isEvent: false);
            json.WriteStartArray("choices");
            for (int choice = 0; choice < format.Choices; choice++)
            {
                format.WriteWhole(json, choice);
                usage.Reasoning += format.ReasoningTokens(choice);
            }

            json.WriteEndArray();
            usage.Write(json);
            json.WriteEndObject();
        });
    }

    private async Task StreamAsync(
        HttpResponse response, IReadOnlyList<Generation> generations, StreamOptions stream, AnswerFormat format, RequestClock clock)
    {
        using EventStream events = new(response);
        AnswerStream answers = new(events, format, stream, generations);
        try
        {
            await PumpAllAsync(generations, answers, clock);
            answers.WriteEnd();
        }
        catch (Exception e) when (e is not ClientGoneException && events.HasStarted && !response.HttpContext.RequestAborted.IsCancellationRequested)
        {
            // The status has gone out long ago; the error is the last event.
            ApiException error = e is OperationCanceledException
                ? clock.Expired()
                : ApiErrors.Describe(e) ?? new ApiException(StatusCodes.Status500InternalServerError, "server_error", e.Message);
            answers.WriteError(error);
        }

        await events.FlushAsync(response.HttpContext.RequestAborted);
    }

    // Several prompts, and what keeps the stream alive, take turns with the one response.
    private async Task PumpAllAsync(IReadOnlyList<Generation> generations, AnswerStream answers, RequestClock clock)
    {
        using SemaphoreSlim gate = new(1);
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(clock.Token);
        Task alive = KeepAliveAsync(answers, gate, ended.Token, clock.Token);
        try
        {
            await Task.WhenAll(generations.Select((generation, index) => PumpAsync(generation, index, answers, gate, clock)));
        }
        finally
        {
            await ended.CancelAsync();

            // A client that it finds gone, the others find gone too.
            await alive.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task KeepAliveAsync(AnswerStream answers, SemaphoreSlim gate, CancellationToken ended, CancellationToken cancellation)
    {
        while (true)
        {
            await Task.Delay(TimeSpan.FromTicks(Math.Max(1, (keepAlive - answers.Silence).Ticks)), ended);
            await gate.WaitAsync(ended);
            try
            {
                if (answers.Silence >= keepAlive)
                {
                    answers.KeepAlive();

                    // Not the other token: to cancel a write under way would close the connection.
                    await answers.FlushAsync(cancellation);
                }
            }
            finally
            {
                gate.Release();
            }
        }
    }

    private static async Task PumpAsync(Generation generation, int index, AnswerStream answers, SemaphoreSlim gate, RequestClock clock)
    {
        while (await generation.WaitToReadAsync(clock.Token))
        {
            clock.Restart();
            await gate.WaitAsync(clock.Token);
            try
            {
                // Whatever is there goes out together.
                while (generation.TryRead(out GenerationUpdate update))
                {
                    answers.Write(Choice(index, generation, update), generation, update);
                }

                await answers.FlushAsync(clock.Token);
            }
            finally
            {
                gate.Release();
            }
        }
    }

    private static int Choice(int index, Generation generation, in GenerationUpdate update) => (index * generation.Request.Samples) + update.Sample;
}
