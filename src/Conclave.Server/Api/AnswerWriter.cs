using System.Text.Json;
using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>Submits what a request asks for and writes the answers, as a whole or as they come. Whoever leaves, or takes too long, cancels.</summary>
internal sealed class AnswerWriter(InferenceEngine engine, TimeLimit limit)
{
    /// <param name="context">The request and its response.</param>
    /// <param name="requests">What is asked for.</param>
    /// <param name="stream">Whether answers are written as they come.</param>
    /// <param name="format">How they are written.</param>
    /// <param name="cancellation">The token that <see cref="TimeLimit.Around"/> handed out.</param>
    public async Task RunAsync(
        HttpContext context, IReadOnlyList<GenerationRequest> requests, StreamOptions stream, AnswerFormat format, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        IReadOnlyList<Generation> generations = engine.Submit([.. requests.Select(request => request with { ResponseId = format.Id })]);
        RequestId.Suggest(context, format.Id);
        try
        {
            if (stream.Stream)
            {
                await StreamAsync(context.Response, generations, stream, format, cancellation);
            }
            else
            {
                await WholeAsync(context.Response, generations, format, cancellation);
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
                    usage.Completion += format.Generated(update);
                }
            }

            usage.Prompt += generation.Request.Prompt.Count;
            usage.Cached += generation.ReusedTokens;
        }

        response.ContentType = "application/json; charset=utf-8";
        await using Utf8JsonWriter json = new(response.BodyWriter, JsonBody.WriterOptions);
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
    }

    private async Task StreamAsync(
        HttpResponse response, IReadOnlyList<Generation> generations, StreamOptions stream, AnswerFormat format, CancellationToken cancellation)
    {
        using EventStream events = new(response);
        using SemaphoreSlim gate = new(1);
        AnswerStream answers = new(events, format, stream, generations);
        try
        {
            await Task.WhenAll(generations.Select((generation, index) => PumpAsync(generation, index, answers, gate, cancellation)));
            answers.WriteEnd();
        }
        catch (Exception e) when (e is not ClientGoneException && events.HasStarted && !response.HttpContext.RequestAborted.IsCancellationRequested)
        {
            // The status has gone out long ago; the error is the last event.
            ApiException error = e is OperationCanceledException
                ? limit.Expired()
                : ApiErrors.Describe(e) ?? new ApiException(StatusCodes.Status500InternalServerError, "server_error", e.Message);
            answers.WriteError(error);
        }

        await events.FlushAsync(response.HttpContext.RequestAborted);
    }

    // Several prompts take turns with the one response.
    private static async Task PumpAsync(Generation generation, int index, AnswerStream answers, SemaphoreSlim gate, CancellationToken cancellation)
    {
        while (await generation.WaitToReadAsync(cancellation))
        {
            await gate.WaitAsync(cancellation);
            try
            {
                // Whatever is there goes out together.
                while (generation.TryRead(out GenerationUpdate update))
                {
                    answers.Write(Choice(index, generation, update), generation, update);
                }

                await answers.FlushAsync(cancellation);
            }
            finally
            {
                gate.Release();
            }
        }
    }

    private static int Choice(int index, Generation generation, in GenerationUpdate update) => (index * generation.Request.Samples) + update.Sample;
}
