using System.Diagnostics;
using Conclave.Engine;

namespace Conclave.Measurement.Load;

/// <summary>Clients of an engine in this process, each of which waits for its answer before it asks again.</summary>
/// <param name="Clients">How many.</param>
/// <param name="Requests">Of all clients together.</param>
/// <param name="PromptTokens">Random tokens of each prompt.</param>
/// <param name="AnswerTokens">Tokens of each answer, whatever the model would end with.</param>
public sealed record ClosedLoop(int Clients, int Requests, int PromptTokens, int AnswerTokens)
{
    // Ids below are special in common vocabularies.
    private const int FirstToken = 3;

    private const int WarmUpAnswer = 2;

    /// <summary>Runs them, after a short request of each client that is not measured.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="vocabulary">Its model's ids.</param>
    /// <param name="cancellation">Ends the run.</param>
    public async Task<ClosedLoopResult> RunAsync(InferenceEngine engine, int vocabulary, CancellationToken cancellation)
    {
        await RunAsync(engine, vocabulary, Clients, WarmUpAnswer, new Latencies(), cancellation).ConfigureAwait(false);
        Latencies latencies = new();
        long start = Stopwatch.GetTimestamp();
        long tokens = await RunAsync(engine, vocabulary, Requests, AnswerTokens, latencies, cancellation).ConfigureAwait(false);
        return new ClosedLoopResult(tokens / Stopwatch.GetElapsedTime(start).TotalSeconds, latencies.Percentile(50));
    }

    private async Task<long> RunAsync(InferenceEngine engine, int vocabulary, int requests, int answer, Latencies latencies, CancellationToken cancellation)
    {
        int next = 0;
        long tokens = 0;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) is int number && number <= requests)
            {
                Random random = new(number);
                long sent = Stopwatch.GetTimestamp();
                Generation generation = engine.Submit(new GenerationRequest
                {
                    Prompt = [.. Enumerable.Range(0, PromptTokens).Select(_ => random.Next(FirstToken, vocabulary))],
                    Sampling = new SamplingOptions { Temperature = 0, MaxTokens = answer, IgnoreEos = true },
                });
                await foreach (GenerationUpdate update in generation.ReadAllAsync(cancellation).ConfigureAwait(false))
                {
                    Interlocked.Add(ref tokens, update.Generated);
                }

                lock (latencies)
                {
                    latencies.Record(Stopwatch.GetTimestamp() - sent);
                }
            }
        })).ConfigureAwait(false);
        return tokens;
    }
}

/// <summary>What clients saw.</summary>
/// <param name="TokensPerSecond">Generated tokens of all answers.</param>
/// <param name="MedianLatency">Milliseconds from a request to the end of its answer.</param>
public sealed record ClosedLoopResult(double TokensPerSecond, double MedianLatency);
