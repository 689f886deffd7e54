using System.Diagnostics;
using Conclave.Engine;

namespace Conclave.Measurement.Load;

/// <summary>Clients of an engine in this process, each of which waits for its answer before it asks again.</summary>
/// <param name="Clients">How many.</param>
/// <param name="Requests">Of all clients together, in each round.</param>
/// <param name="Rounds">How often they are measured.</param>
/// <param name="PromptTokens">Random tokens of each prompt.</param>
/// <param name="AnswerTokens">Tokens of each answer, whatever the model would end with.</param>
public sealed record ClosedLoop(int Clients, int Requests, int Rounds, int PromptTokens, int AnswerTokens)
{
    // Every rank is a process of its own, and compiles what it runs while it runs.
    private const int WarmUpRounds = 3;

    /// <summary>Runs them, after three rounds that are not measured.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="vocabulary">Its model's ids.</param>
    /// <param name="cancellation">Ends the run.</param>
    public async Task<ClosedLoopResult> RunAsync(InferenceEngine engine, int vocabulary, CancellationToken cancellation)
    {
        for (int round = 0; round < WarmUpRounds; round++)
        {
            await RunAsync(engine, vocabulary, new Latencies(), cancellation).ConfigureAwait(false);
        }

        Latencies latencies = new();
        double[] rates = new double[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            long tokens = await RunAsync(engine, vocabulary, latencies, cancellation).ConfigureAwait(false);
            rates[round] = tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        return new ClosedLoopResult(rates, latencies.Percentile(50));
    }

    private async Task<long> RunAsync(InferenceEngine engine, int vocabulary, Latencies latencies, CancellationToken cancellation)
    {
        int next = 0;
        long tokens = 0;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) is int number && number <= Requests)
            {
                Random random = new(number);
                long sent = Stopwatch.GetTimestamp();
                Generation generation = engine.Submit(new GenerationRequest
                {
                    Prompt = [.. Enumerable.Range(0, PromptTokens).Select(_ => random.Next(RequestFormat.FirstToken, vocabulary))],
                    Sampling = new SamplingOptions { Temperature = 0, MaxTokens = AnswerTokens, IgnoreEos = true },
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
/// <param name="Rates">Generated tokens a second of all answers, by rounds.</param>
/// <param name="MedianLatency">Milliseconds from a request to the end of its answer: the median over all rounds, of merged runs the median of theirs.</param>
public sealed record ClosedLoopResult(double[] Rates, double MedianLatency)
{
    /// <summary>The median of the rounds.</summary>
    public double TokensPerSecond => RunRatio.MedianOf(Rates);

    /// <summary>Several runs as one: the rounds of all, and the median of their latencies.</summary>
    /// <param name="runs">One or more.</param>
    public static ClosedLoopResult Merge(IReadOnlyCollection<ClosedLoopResult> runs) =>
        new([.. runs.SelectMany(run => run.Rates)], RunRatio.MedianOf([.. runs.Select(run => run.MedianLatency)]));
}
