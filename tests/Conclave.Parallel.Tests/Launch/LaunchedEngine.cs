using Conclave.Engine;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Launch;
using Conclave.Testing;
using Conclave.Text;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>Runs requests on fable, alone or over ranks of this process.</summary>
internal static class LaunchedEngine
{
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Repository.Fable);

    /// <summary>Some that are answered greedily and some by chance.</summary>
    public static readonly GenerationRequest[] Mixed =
        [Request("Once upon a time", 0), Request("The king had three sons, and", 0.9), Request("从前有一个", 0.9)];

    /// <summary>More requests than partitions, with prompts of many lengths, some with two answers.</summary>
    public static readonly GenerationRequest[] Many =
    [
        .. Mixed,
        .. Enumerable.Range(1, 6).Select(i => Request(string.Concat(Enumerable.Repeat($"Tale {i}: the miller's daughter went to the well. ", i)), i % 2 * 0.8, 4 + (7 * i)) with
        {
            Samples = 1 + (i % 2),
        }),
    ];

    /// <summary>Beginnings of tales, for greedy answers.</summary>
    public static readonly string[] Prompts =
    [
        "Once upon a time", "The king had three sons, and", "A fox met a hare", "In the deep wood there lived", "The miller's daughter", "There was a poor woman", "One day the wolf",
        "The old man said", "When the moon rose", "A little girl named", "The youngest brother", "Long ago in China", "Far away, beyond the sea", "The queen looked in the mirror",
        "A tailor sat", "The bear and the bee", "On a cold winter night", "The fisherman cast his net", "My grandmother told me", "The giant woke up",
    ];

    public static WorldPlan Plan(int ranks, int hosts) => new(ranks, hosts, ExchangeOptions.Exact, 1);

    /// <summary>A request for some tokens with their log-probabilities.</summary>
    public static GenerationRequest Request(string text, double temperature, int tokens = 12) => new()
    {
        Prompt = Encode(text),
        Logprobs = 3,
        Sampling = new SamplingOptions { Temperature = temperature, Seed = 1, MaxTokens = tokens, IgnoreEos = true },
    };

    public static string[] Alone(GenerationRequest[] requests) => Use(null, engine => Answers(engine, requests), requests.Length, requests.Length);

    /// <summary>What the leader answers; the coordinator's word on how the launch ended and its reports come with it.</summary>
    /// <param name="plan">The world.</param>
    /// <param name="requests">What is asked.</param>
    /// <param name="running">Requests that run together; null: all.</param>
    public static (string[] Answers, LaunchFailure? Failure, IReadOnlyList<RankReport?> Reports) Over(WorldPlan plan, GenerationRequest[] requests, int? running = null)
        => Over(plan, engine => Answers(engine, requests), running ?? requests.Length, requests.Length);

    /// <summary>What the leader's engine is used for.</summary>
    /// <param name="plan">The world.</param>
    /// <param name="use">Uses it.</param>
    /// <param name="running">Answers that run together on a rank.</param>
    /// <param name="contexts">Contexts of 256 tokens that a rank's cache holds.</param>
    public static (string[] Answers, LaunchFailure? Failure, IReadOnlyList<RankReport?> Reports) Over(
        WorldPlan plan, Func<InferenceEngine, string[]> use, int running, int contexts)
    {
        using Coordinator coordinator = new(plan, line => Assert.Fail(line));
        string[] answers = [];
        InProcessLaunch.Run(coordinator, plan, (connection, endpoints) => answers = Lead(connection, endpoints, use, running, contexts));
        Assert.True(coordinator.Ended.Wait(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken), "not all ranks have left");
        return (answers, coordinator.Ended.Result, coordinator.Reports);
    }

    public static string[] Lead(RankConnection connection, RankEndpoints endpoints, GenerationRequest[] requests) =>
        Lead(connection, endpoints, engine => Answers(engine, requests), requests.Length, requests.Length);

    /// <summary>Tokens and the bits of their log-probabilities, of requests that run together.</summary>
    public static string[] Answers(InferenceEngine engine, GenerationRequest[] requests)
    {
        Generation[] running = [.. requests.Select(engine.Submit)];
        return [.. running.Select(Read)];
    }

    /// <summary>Reads an answer to its end.</summary>
    public static string Read(Generation generation) => string.Join('\n', generation
        .ReadAllAsync(TestContext.Current.CancellationToken)
        .ToBlockingEnumerable(TestContext.Current.CancellationToken)
        .OrderBy(update => update.Sample)
        .Select(update => $"{update.Token} {string.Join(' ', update.Logprobs!.Top.Select(top => $"{top.Token}:{BitConverter.DoubleToInt64Bits(top.Logprob):x}"))}"));

    private static string[] Lead(RankConnection connection, RankEndpoints endpoints, Func<InferenceEngine, string[]> use, int running, int contexts)
    {
        using RankLeader leader = new(connection, endpoints);
        try
        {
            return Use(leader, use, running, contexts);
        }
        catch (Exception e)
        {
            leader.Fail(e);
            throw;
        }
    }

    private static LoadedModel Load(RankLeader? leader, int contexts) => LoadedModel.Open(Repository.Fable, new LoadOptions
    {
        Threads = 1,
        Teams = leader?.Plan.Ranks ?? 1,
        Context = 256,
        Contexts = contexts,
        Divide = leader is null ? null : (config, kernels, team, options) => leader.Join(Repository.Fable, config, kernels, team, options),
    });

    /// <summary>What an engine is used for, alone or over ranks.</summary>
    public static string[] Use(RankLeader? leader, Func<InferenceEngine, string[]> use, int running, int contexts)
    {
        using LoadedModel loaded = Load(leader, contexts);
        using InferenceEngine engine = new(loaded, new EngineOptions { MaxRunning = running });
        return use(engine);
    }

    private static List<int> Encode(string text)
    {
        List<int> ids = [];
        Tokenizer.Encode(text, ids, addSpecialTokens: true);
        return ids;
    }
}
