using System.Collections.Concurrent;
using System.Diagnostics;
using Conclave.Testing;
using Conclave.Text;

namespace Conclave.Engine.Tests.Requests;

/// <summary>What traces show of a request.</summary>
public sealed class GenerationTraceTests
{
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Repository.Fable);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ARequestIsAnActivityOfItsCaller()
    {
        using Listening heard = new();
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize));
        using Activity caller = new Activity("caller").Start();
        Generation generation = engine.Submit(Request() with { Samples = 2 });
        Assert.Same(caller, Activity.Current);
        await ReadAsync(generation);

        Activity activity = heard.Single(caller);
        Assert.Equal("text_completion scripted", activity.DisplayName);
        Assert.Equal(caller.SpanId, activity.ParentSpanId);
        Assert.Equal("text_completion", activity.GetTagItem("gen_ai.operation.name"));
        Assert.Equal("scripted", activity.GetTagItem("gen_ai.request.model"));
        Assert.Equal("scripted", activity.GetTagItem("gen_ai.response.model"));
        Assert.Equal(3, activity.GetTagItem("gen_ai.usage.input_tokens"));
        Assert.Equal(10, activity.GetTagItem("gen_ai.usage.output_tokens"));
        Assert.Equal(["length", "length"], (string[])activity.GetTagItem("gen_ai.response.finish_reasons")!);
        GenerationTimes times = generation.Times;
        Assert.Equal(times.Queue.TotalSeconds, activity.GetTagItem("gen_ai.latency.time_in_queue"));
        Assert.Equal((times.Queue + times.Prefill).TotalSeconds, activity.GetTagItem("gen_ai.latency.time_to_first_token"));
        Assert.Equal((times.Queue + times.Prefill + times.Decode).TotalSeconds, activity.GetTagItem("gen_ai.latency.e2e"));
        Assert.Equal(["prefill", "decode"], activity.Events.Select(static one => one.Name));
        Assert.Equal(ActivityStatusCode.Unset, activity.Status);
    }

    [Fact]
    public async Task AChatIsOneAndItsResponseIsFound()
    {
        using Listening heard = new();
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize));
        using Activity caller = new Activity("caller").Start();
        await ReadAsync(engine.Submit(Request() with { IsChat = true, ResponseId = "chatcmpl-5" }));
        Activity activity = heard.Single(caller);
        Assert.Equal("chat scripted", activity.DisplayName);
        Assert.Equal("chat", activity.GetTagItem("gen_ai.operation.name"));
        Assert.Equal("chatcmpl-5", activity.GetTagItem("gen_ai.response.id"));
    }

    [Fact]
    public async Task WhatFailsOrIsCancelledSaysSo()
    {
        using Listening heard = new();
        ScriptedRunner runner = new(Tokenizer.VocabularySize) { Cursed = 9 };
        using InferenceEngine engine = Start(runner);
        using (Activity caller = new Activity("failing").Start())
        {
            await Assert.ThrowsAsync<InvalidOperationException>(() => ReadAsync(engine.Submit(Request() with { Prompt = [9, 8] })));
            Activity failed = heard.Single(caller);
            Assert.Equal(ActivityStatusCode.Error, failed.Status);
            Assert.Equal("System.InvalidOperationException", failed.GetTagItem("error.type"));
            Assert.Equal(["error"], (string[])failed.GetTagItem("gen_ai.response.finish_reasons")!);
            Assert.Null(failed.GetTagItem("gen_ai.latency.time_to_first_token"));
        }

        using Activity leaving = new Activity("leaving").Start();
        runner.Gate.Reset();
        Generation generation = engine.Submit(Request());
        generation.Cancel();
        runner.Gate.Set();
        await ReadAsync(generation);
        Assert.Equal(["abort"], (string[])heard.Single(leaving).GetTagItem("gen_ai.response.finish_reasons")!);
    }

    [Fact]
    public async Task TheEndTokenIsCountedAndNobodyNeedListen()
    {
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize) { Answer = 1 });
        Generation alone = engine.Submit(Request());
        Assert.Null(alone.Activity);
        await ReadAsync(alone);
        using Listening heard = new();
        using Activity caller = new Activity("caller").Start();
        List<GenerationUpdate> updates = await ReadAsync(engine.Submit(Request()));
        Assert.Equal(1, updates.Sum(static update => update.Generated));
        Assert.Equal(1, heard.Single(caller).GetTagItem("gen_ai.usage.output_tokens"));
    }

    private static InferenceEngine Start(ScriptedRunner runner) =>
        new(runner, Tokenizer, [1], new EngineSizes(CacheBlocks: 64, TokensPerStep: 64, ContextLength: 512), new EngineOptions { MaxRunning = 8, ModelName = "scripted" });

    private static GenerationRequest Request() => new() { Prompt = [5, 6, 7], Sampling = new SamplingOptions { MaxTokens = 5, Temperature = 0 } };

    private static async Task<List<GenerationUpdate>> ReadAsync(Generation generation)
    {
        List<GenerationUpdate> updates = [];
        await foreach (GenerationUpdate update in generation.ReadAllAsync(Stop))
        {
            updates.Add(update);
        }

        return updates;
    }

    // Other tests run beside: only what belongs to the caller's trace counts.
    private sealed class Listening : IDisposable
    {
        private readonly ConcurrentQueue<Activity> _stopped = [];
        private readonly ActivityListener _listener;

        public Listening()
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = static source => source.Name == InferenceEngine.ActivitySourceName,
                Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = _stopped.Enqueue,
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public Activity Single(Activity caller) => Assert.Single(_stopped, activity => activity.TraceId == caller.TraceId);

        public void Dispose() => _listener.Dispose();
    }
}
