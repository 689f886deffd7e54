using System.Diagnostics;
using System.Diagnostics.Metrics;
using Conclave.Testing;
using Conclave.Text;

namespace Conclave.Engine.Tests.Requests;

/// <summary>An application's listener to activities or metrics that throws: nobody waits for ever, and the engine goes on.</summary>
public sealed class ThrowingListenerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Repository.Fable);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TheReaderHearsOfItAfterAllUpdates()
    {
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize));
        Generation generation;
        using (Activity caller = new Activity("caller").Start())
        using (Listen(caller, stopped: static _ => throw new TimeoutException("the listener's")))
        {
            generation = engine.Submit(Request());
            List<GenerationUpdate> updates = [];
            Assert.Equal("the listener's", (await Assert.ThrowsAsync<TimeoutException>(() => ReadAsync(generation, updates))).Message);
            Assert.Equal(5, updates.Count);
        }

        await ReadAsync(engine.Submit(Request()), []);
        await engine.DrainAsync(Stop).WaitAsync(Patience, Stop);
    }

    [Fact]
    public async Task WhereStepsFailAllRequestsEndWithTheCause()
    {
        ScriptedRunner runner = new(Tokenizer.VocabularySize) { Failure = new InvalidDataException("the step's") };
        using InferenceEngine engine = Start(runner);
        using Activity caller = new Activity("caller").Start();
        using ActivityListener listener = Listen(caller, stopped: static _ => throw new TimeoutException("the listener's"));
        foreach (Generation generation in engine.Submit([Request(), Request(), Request()]))
        {
            Assert.Contains("the step's", (await Assert.ThrowsAsync<EngineUnavailableException>(() => ReadAsync(generation, []))).Message);
        }
    }

    [Fact]
    public async Task RequestsWhoseActivitiesCannotBeginAreNotAccepted()
    {
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize));
        using Activity caller = new Activity("caller").Start();
        int started = 0;
        List<Activity> stopped = [];
        void ThrowAtTheSecond(Activity activity)
        {
            if (++started == 2)
            {
                throw new TimeoutException("the listener's");
            }
        }

        using (Listen(caller, ThrowAtTheSecond, stopped.Add))
        {
            Assert.Throws<TimeoutException>(() => engine.Submit([Request(), Request()]));
        }

        Assert.Same(caller, Activity.Current);
        Assert.Equal(ActivityStatusCode.Error, Assert.Single(stopped).Status);
        await engine.DrainAsync(Stop).WaitAsync(Patience, Stop);
    }

    [Fact]
    public async Task ListenersMayWaitForWhoAsksTheEngine()
    {
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize));
        using Activity caller = new Activity("caller").Start();
        bool answered = false;
        using (Listen(caller, _ => answered = Task.Run(() => engine.Unavailable, Stop).Wait(Patience, Stop)))
        {
            await ReadAsync(engine.Submit(Request()), []);
        }

        Assert.True(answered);
    }

    [Fact]
    public async Task TheActivityOfARefusedRequestEndsWithTheReason()
    {
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize));
        await engine.DrainAsync(Stop).WaitAsync(Patience, Stop);
        using Activity caller = new Activity("caller").Start();
        List<Activity> stopped = [];
        using (Listen(caller, stopped: stopped.Add))
        {
            Assert.Throws<EngineUnavailableException>(() => engine.Submit([Request(), Request()]));
        }

        Assert.Same(caller, Activity.Current);
        Assert.Equal(2, stopped.Count);
        Assert.All(stopped, activity => Assert.Equal(ActivityStatusCode.Error, activity.Status));
    }

    [Fact]
    public async Task WhoeverListensToMetricsEndsNoRequest()
    {
        const string model = "listened to";
        int heard = 0;
        void Throw<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> labels, object? state)
        {
            if (labels.Contains(new("model_name", model)))
            {
                heard++;
                throw new TimeoutException("the listener's");
            }
        }

        using MeterListener listener = new()
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == InferenceEngine.MeterName)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>(Throw);
        listener.SetMeasurementEventCallback<double>(Throw);
        listener.Start();
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize), model);
        for (int request = 0; request < 2; request++)
        {
            List<GenerationUpdate> updates = [];
            await ReadAsync(engine.Submit(Request()), updates);
            Assert.Equal(5, updates.Count);
        }

        await engine.DrainAsync(Stop).WaitAsync(Patience, Stop);
        Assert.NotEqual(0, heard);
    }

    // Other tests run beside: only what belongs to the caller's trace is heard.
    private static ActivityListener Listen(Activity caller, Action<Activity>? started = null, Action<Activity>? stopped = null)
    {
        ActivityTraceId trace = caller.TraceId;
        ActivityListener listener = new()
        {
            ShouldListenTo = static source => source.Name == InferenceEngine.ActivitySourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> options) => options.Parent.TraceId == trace ? ActivitySamplingResult.AllData : ActivitySamplingResult.None,
            ActivityStarted = started,
            ActivityStopped = stopped,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private static InferenceEngine Start(ScriptedRunner runner, string? model = null) => new(
        runner, Tokenizer, [], new EngineSizes(CacheBlocks: 64, TokensPerStep: 64, ContextLength: 512), new EngineOptions { MaxRunning = 8, ModelName = model });

    private static GenerationRequest Request() => new() { Prompt = [5, 6, 7], Sampling = new SamplingOptions { MaxTokens = 5, Temperature = 0 } };

    private static async Task ReadAsync(Generation generation, List<GenerationUpdate> updates)
    {
        async Task Read()
        {
            await foreach (GenerationUpdate update in generation.ReadAllAsync(Stop))
            {
                updates.Add(update);
            }
        }

        await Read().WaitAsync(Patience, Stop);
    }
}
