using Conclave.Engine;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Launch;
using Conclave.Testing;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>Runs requests on fable, alone or over ranks of this process.</summary>
internal static class LaunchedEngine
{
    private static readonly string[] Prompts = ["Once upon a time", "The king had three sons, and", "从前有一个"];

    public static WorldPlan Plan(int ranks, int hosts) => new(ranks, hosts, ExchangeOptions.Exact, 1);

    public static string[] Alone() => Answers(Load(null));

    /// <summary>What the leader answers; the coordinator's word on how the launch ended and its reports come with it.</summary>
    public static (string[] Answers, LaunchFailure? Failure, IReadOnlyList<RankReport?> Reports) Over(WorldPlan plan)
    {
        using Coordinator coordinator = new(plan, line => Assert.Fail(line));
        string[] answers = [];
        InProcessLaunch.Run(coordinator, plan, (connection, endpoint) => answers = Lead(connection, endpoint));
        Assert.True(coordinator.Ended.IsCompleted);
        return (answers, coordinator.Ended.Result, coordinator.Reports);
    }

    public static string[] Lead(RankConnection connection, ITransport endpoint)
    {
        using RankLeader leader = new(connection, endpoint);
        try
        {
            return Answers(Load(leader));
        }
        catch (Exception e)
        {
            leader.Fail(e);
            throw;
        }
    }

    private static LoadedModel Load(RankLeader? leader) => LoadedModel.Open(Repository.Fable, new LoadOptions
    {
        Threads = 1,
        Teams = leader?.Plan.Ranks ?? 1,
        Context = 256,
        Contexts = Prompts.Length,
        Experts = leader is null ? null : (config, kernels, team) => leader.Join(Repository.Fable, config, kernels, team),
    });

    /// <summary>Tokens and the bits of their log-probabilities, of requests that run together.</summary>
    private static string[] Answers(LoadedModel model)
    {
        using LoadedModel loaded = model;
        using InferenceEngine engine = new(loaded, new EngineOptions { MaxRunning = Prompts.Length });
        Generation[] running = [.. Prompts.Select((prompt, i) => engine.Submit(Request(loaded, prompt, i)))];
        return [.. running.Select(Read)];
    }

    private static GenerationRequest Request(LoadedModel model, string text, int index)
    {
        List<int> prompt = [];
        model.Tokenizer.Encode(text, prompt, addSpecialTokens: true);
        return new GenerationRequest
        {
            Prompt = prompt,
            Logprobs = 3,
            Sampling = new SamplingOptions { Temperature = index == 0 ? 0 : 0.9, Seed = index, MaxTokens = 12, IgnoreEos = true },
        };
    }

    private static string Read(Generation generation) => string.Join('\n', generation
        .ReadAllAsync(TestContext.Current.CancellationToken)
        .ToBlockingEnumerable(TestContext.Current.CancellationToken)
        .Select(update => $"{update.Token} {string.Join(' ', update.Logprobs!.Top.Select(top => $"{top.Token}:{BitConverter.DoubleToInt64Bits(top.Logprob):x}"))}"));
}
