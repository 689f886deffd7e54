using System.Text.RegularExpressions;
using Conclave.Engine;
using Conclave.Engine.Tests.Requests;
using Conclave.Testing;

namespace Conclave.Server.Tests;

/// <summary>What /metrics says after requests whose course is known to the token.</summary>
public sealed partial class MetricsTests
{
    // Engines of other tests write to the same meter: these series are told apart by it.
    private const string ModelName = "the scripted model";
    private const int Cursed = 9;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EveryCounterHasItsValueAndEveryHistogramWhatWasGoneThrough()
    {
        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions { Threads = 1 });
        ScriptedRunner runner = new(model.Tokenizer.VocabularySize) { Cursed = Cursed };
        using InferenceEngine engine = new(
            runner, model.Tokenizer, [1], new EngineSizes(CacheBlocks: 5, TokensPerStep: 256, ContextLength: 320), new EngineOptions { MaxRunning = 8, ModelName = ModelName });
        await using ConclaveServer server = await ConclaveServer.StartAsync(model, engine, new ServerOptions { Port = 0, ModelName = ModelName });

        // The second finds two blocks of 64 in the cache.
        Generation first = await RunAsync(engine, Request(10, 130, 3));
        Generation twice = await RunAsync(engine, Request(10, 130, 4) with { Samples = 2 });
        Generation scored = await RunAsync(engine, Request(10, 130, 1) with { PromptLogprobs = 0 });
        Generation failed = engine.Submit(Request(Cursed, 2, 3));
        await Assert.ThrowsAsync<InvalidOperationException>(() => ReadAsync(failed));

        // Both fit with two blocks each, and only one with three. The earlier one takes a fourth, which was the later one's second, with 36 tokens of its prompt.
        IReadOnlyList<Generation> crowded = engine.Submit([Request(11, 100, 120), Request(12, 100, 60)]);
        foreach (Generation generation in crowded)
        {
            await ReadAsync(generation);
        }

        // While a step is held up, one that runs and one that waits are cancelled; the former gets the token of this step.
        runner.Gate.Reset();
        Generation running = engine.Submit(Request(13, 20, 50));
        while (engine.Status.Running == 0)
        {
            await Task.Delay(1, Stop);
        }

        Generation waiting = engine.Submit(Request(14, 30, 50));
        waiting.Cancel();
        running.Cancel();
        runner.Gate.Set();
        await ReadAsync(waiting);
        await ReadAsync(running);

        ModelSeries metrics = ModelSeries.Parse(await ScrapeAsync(server), ModelName);
        Assert.Equal(130 + (2 * 130) + 130 + 100 + 100 + 20, metrics.Value("conclave_prompt_tokens_total"));
        Assert.Equal(130 + 2 + 130 + 2 + 100 + 100 + 36 + 20, metrics.Value("conclave_prefill_tokens_total"));
        Assert.Equal(3 + 8 + 1 + 120 + 60 + 1, metrics.Value("conclave_generation_tokens_total"));
        Assert.Equal(130 + 130 + 2 + 100 + 100 + 20, metrics.Value("conclave_prefix_cache_queries_total"));
        Assert.Equal(128, metrics.Value("conclave_prefix_cache_hits_total"));
        Assert.Equal(1, metrics.Value("conclave_num_preemptions_total"));
        Assert.Equal(6, metrics.Value("conclave_request_success_total", "length"));
        Assert.Equal(2, metrics.Value("conclave_request_success_total", "abort"));
        Assert.Equal(1, metrics.Value("conclave_request_success_total", "error"));
        Assert.Equal(0, metrics.Value("conclave_num_requests_running"));
        Assert.Equal(0, metrics.Value("conclave_num_requests_waiting"));
        Assert.Equal(0, metrics.Value("conclave_kv_cache_usage_perc"));

        // Steps: 64 positions of a scored prompt at most. The preempted one has lost 28 of its answer's tokens; 31 of its 60 come after the earlier one's end.
        CheckSizes(metrics, "conclave_iteration_tokens_total", 3 + 4 + 3 + 1 + 120 + 31 + 1, (130 + 2) + (2 + 6) + 130 + 2 + (100 + 119) + (100 + 59 + 36 + 28) + 20);
        CheckSizes(metrics, "conclave_request_prompt_tokens", 6, 130 + (2 * 130) + 130 + 100 + 100);
        CheckSizes(metrics, "conclave_request_generation_tokens", 6, 3 + 8 + 1 + 120 + 60);
        CheckSizes(metrics, "conclave_request_params_max_tokens", 6, 3 + 8 + 1 + 120 + 60);
        CheckSizes(metrics, "conclave_request_params_n", 5, 1 + 2 + 1 + 1 + 1);
        CheckSizes(metrics, "conclave_request_max_num_generation_tokens", 5, 3 + 4 + 1 + 120 + 60);

        Generation[] finished = [first, twice, scored, .. crowded];
        CheckTimes(metrics, "conclave_request_queue_time_seconds", [.. finished, failed, running], static times => times.Queue);
        CheckTimes(metrics, "conclave_request_prefill_time_seconds", [.. finished, running], static times => times.Prefill);
        CheckTimes(metrics, "conclave_time_to_first_token_seconds", [.. finished, running], static times => times.Queue + times.Prefill);
        CheckTimes(metrics, "conclave_request_decode_time_seconds", finished, static times => times.Decode, twice);
        CheckTimes(metrics, "conclave_request_inference_time_seconds", finished, static times => times.Prefill + times.Decode, twice);
        CheckTimes(metrics, "conclave_e2e_request_latency_seconds", finished, static times => times.Queue + times.Prefill + times.Decode, twice);
        Assert.Equal(2 + 6 + 119 + 59, metrics.Value("conclave_inter_token_latency_seconds_count"));
        Assert.InRange(metrics.Value("conclave_inter_token_latency_seconds_sum"), double.Epsilon, finished.Sum(static one => one.Times.Decode.TotalSeconds * one.Request.Samples));
    }

    [Fact]
    public async Task AnAnswerWithoutALimitMightHaveHadTheRestOfTheContextAndSizesHaveVllmsBuckets()
    {
        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions { Threads = 1 });
        using InferenceEngine engine = new(
            new ScriptedRunner(model.Tokenizer.VocabularySize), model.Tokenizer, [70], new EngineSizes(5, 256, 320), new EngineOptions { MaxRunning = 8, ModelName = ModelName });
        await using ConclaveServer server = await ConclaveServer.StartAsync(model, engine, new ServerOptions { Port = 0, ModelName = ModelName });
        await RunAsync(engine, new GenerationRequest { Prompt = [10, 10, 10], Sampling = new SamplingOptions { Temperature = 0 } });
        ModelSeries metrics = ModelSeries.Parse(await ScrapeAsync(server), ModelName);
        CheckSizes(metrics, "conclave_request_params_max_tokens", 1, 317);
        CheckSizes(metrics, "conclave_request_generation_tokens", 1, 1);
        string[] lengths = ["1", "2", "5", "10", "20", "50", "100", "200", "+Inf"];
        Assert.Equal(lengths, metrics.Buckets("conclave_request_prompt_tokens"));
        Assert.Equal(lengths, metrics.Buckets("conclave_request_generation_tokens"));
        Assert.Equal(lengths, metrics.Buckets("conclave_request_params_max_tokens"));
        Assert.Equal(lengths, metrics.Buckets("conclave_request_max_num_generation_tokens"));
        Assert.Equal(["1", "2", "5", "10", "20", "+Inf"], metrics.Buckets("conclave_request_params_n"));
        Assert.Equal(
            ["1", "8", "16", "32", "64", "128", "256", "512", "1024", "2048", "4096", "8192", "16384", "+Inf"], metrics.Buckets("conclave_iteration_tokens_total"));
    }

    [Fact]
    public async Task NamesAndTypesAreThoseOfVllm()
    {
        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions { Threads = 1 });
        using InferenceEngine engine = new(
            new ScriptedRunner(model.Tokenizer.VocabularySize), model.Tokenizer, [1], new EngineSizes(5, 256, 320), new EngineOptions { MaxRunning = 8, ModelName = ModelName });
        await using ConclaveServer server = await ConclaveServer.StartAsync(model, engine, new ServerOptions { Port = 0, ModelName = ModelName });
        await RunAsync(engine, Request(10, 5, 3));
        string text = await ScrapeAsync(server);
        Assert.Contains("service_name=\"conclave\"", text, StringComparison.Ordinal);
        Assert.All(["stop", "abort", "error"], reason => Assert.Equal(0, ModelSeries.Parse(text, ModelName).Value("conclave_request_success_total", reason)));

        // Beside vLLM's: what was computed, which vLLM does not count step by step.
        string[] expected =
        [
            "e2e_request_latency_seconds histogram", "generation_tokens_total counter", "inter_token_latency_seconds histogram", "iteration_tokens_total histogram",
            "kv_cache_usage_perc gauge", "num_preemptions_total counter", "num_requests_running gauge", "num_requests_waiting gauge", "prefill_tokens_total counter",
            "prefix_cache_hits_total counter", "prefix_cache_queries_total counter", "prompt_tokens_total counter", "request_decode_time_seconds histogram",
            "request_generation_tokens histogram", "request_inference_time_seconds histogram", "request_max_num_generation_tokens histogram",
            "request_params_max_tokens histogram", "request_params_n histogram", "request_prefill_time_seconds histogram", "request_prompt_tokens histogram",
            "request_queue_time_seconds histogram", "request_success_total counter", "request_time_per_output_token_seconds histogram", "time_to_first_token_seconds histogram",
        ];

        // Another test of this process may count experts.
        Assert.Equal(expected, TypeLine().Matches(text).Select(static match => match.Groups["Type"].Value)
            .Where(static line => !line.StartsWith("expert_tokens", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    private static void CheckSizes(ModelSeries metrics, string name, int count, long sum)
    {
        Assert.Equal(count, metrics.Value(name + "_count"));
        Assert.Equal(sum, metrics.Value(name + "_sum"));
    }

    /// <summary>Each answer counts as a request. A request's time is that of its last answer; others of those in <paramref name="several"/> may have ended before.</summary>
    private static void CheckTimes(ModelSeries metrics, string name, Generation[] generations, Func<GenerationTimes, TimeSpan> time, params Generation[] several)
    {
        Assert.All(generations, one => Assert.True(time(one.Times) > TimeSpan.Zero));
        Assert.Equal(generations.Sum(static one => one.Request.Samples), metrics.Value(name + "_count"));
        double most = generations.Sum(one => time(one.Times).TotalSeconds * one.Request.Samples);
        double least = most - several.Sum(one => one.Times.Decode.TotalSeconds * (one.Request.Samples - 1));
        Assert.InRange(metrics.Value(name + "_sum"), least - 1e-5, most + 1e-5);
    }

    private static GenerationRequest Request(int token, int prompt, int maxTokens) =>
        new() { Prompt = [.. Enumerable.Repeat(token, prompt)], Sampling = new SamplingOptions { MaxTokens = maxTokens, Temperature = 0 } };

    private static async Task<Generation> RunAsync(InferenceEngine engine, GenerationRequest request)
    {
        Generation generation = engine.Submit(request);
        await ReadAsync(generation);
        return generation;
    }

    private static async Task ReadAsync(Generation generation)
    {
        await foreach (GenerationUpdate update in generation.ReadAllAsync(Stop))
        {
            _ = update;
        }
    }

    private static async Task<string> ScrapeAsync(ConclaveServer server)
    {
        using HttpClient http = new() { BaseAddress = server.Address };
        return await http.GetStringAsync(new Uri("/metrics", UriKind.Relative), Stop);
    }

    [GeneratedRegex(@"^# TYPE conclave_(?<Type>\w+ \w+)$", RegexOptions.Multiline, 1000)]
    private static partial Regex TypeLine();
}
