using Conclave.Engine.Scheduling;
using Conclave.Primitives;
using Conclave.Testing;
using Conclave.Text;

namespace Conclave.Engine.Tests.Requests;

/// <summary>Whoever disposed of the engine may free the model.</summary>
public sealed class EngineDisposalTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public void NobodyReturnsWhileAStepRuns()
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fable);
        BlockingRunner runner = new(tokenizer.VocabularySize);
        InferenceEngine engine = new(runner, tokenizer, [], new EngineSizes(CacheBlocks: 64, TokensPerStep: 64, ContextLength: 512), new EngineOptions());
        engine.Submit(new GenerationRequest { Prompt = [5], Sampling = new SamplingOptions { MaxTokens = 5 } });
        Assert.True(runner.Entered.Wait(Patience, TestContext.Current.CancellationToken));
        Thread[] threads = [new(engine.Dispose), new(engine.Dispose)];
        Array.ForEach(threads, thread => thread.Start());
        Assert.All(threads, thread => Assert.False(thread.Join(TimeSpan.FromMilliseconds(200)), "returned while a step was running"));
        runner.Gate.Set();
        Assert.All(threads, thread => Assert.True(thread.Join(Patience)));
        engine.Dispose();
    }

    /// <summary>Who asks afterwards, or waits still, is told of no failure.</summary>
    [Fact]
    public async Task AStoppedEngineIsShuttingDown()
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fable);
        InferenceEngine engine = new(new ScriptedRunner(tokenizer.VocabularySize), tokenizer, [], new EngineSizes(CacheBlocks: 64, TokensPerStep: 64, ContextLength: 512), new EngineOptions());
        engine.Dispose();
        Assert.Equal(EngineUnavailableReason.Draining, engine.Unavailable);
        GenerationRequest request = new() { Prompt = [5], Sampling = new SamplingOptions { MaxTokens = 5 } };
        EngineUnavailableException refused = Assert.Throws<EngineUnavailableException>(() => engine.Submit(request));
        Assert.Equal((EngineUnavailableReason.Draining, null), (refused.Reason, refused.InnerException));
        await engine.DrainAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
    }

    private sealed class BlockingRunner : IModelRunner
    {
        private readonly ScriptedRunner _inner;

        public BlockingRunner(int vocabularySize)
        {
            _inner = new ScriptedRunner(vocabularySize);
            Gate.Reset();
        }

        public int VocabularySize => _inner.VocabularySize;

        public ManualResetEventSlim Entered { get; } = new();

        public ManualResetEventSlim Gate => _inner.Gate;

        public TensorView Run(params ReadOnlySpan<StepPlan> plans)
        {
            Entered.Set();
            return _inner.Run(plans);
        }

        public void Dispose()
        {
            _inner.Dispose();
            Entered.Dispose();
        }
    }
}
