using Conclave.Primitives;
using Conclave.Testing;
using Conclave.Text;

namespace Conclave.Engine.Tests.Requests;

/// <summary>What an engine accepts, refuses and ends, on a model that is a few lines.</summary>
public sealed class InferenceEngineTests
{
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Repository.Fable);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RequestsThatCannotRunAreRefusedWithASentence()
    {
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize));
        GenerationRequest good = Request(5);
        void Refuses(GenerationRequest request, string what) => Assert.Contains(what, Assert.Throws<UserErrorException>(() => engine.Submit(request)).Message);
        Refuses(good with { Prompt = [] }, "no tokens");
        Refuses(good with { Prompt = new int[512] }, "the context holds 512");
        Refuses(good with { Prompt = [-1] }, "token id -1");
        Refuses(good with { Prompt = [Tokenizer.VocabularySize] }, "vocabulary");
        Refuses(good with { Samples = 0 }, "n: 0");
        Refuses(good with { Samples = 9 }, "n: 9");
        Refuses(good with { Logprobs = 21 }, "logprobs: 21");
        Refuses(good with { PromptLogprobs = -1 }, "prompt_logprobs: -1");
        Refuses(good with { Sampling = good.Sampling with { Temperature = -1 } }, "temperature");
        Assert.Equal((5, FinishReason.Length), await Count(engine.Submit(good)));
    }

    [Fact]
    public async Task TooManyAreRefusedAndTheRestGoOn()
    {
        ScriptedRunner runner = new(Tokenizer.VocabularySize);
        runner.Gate.Reset();
        using InferenceEngine engine = Start(runner);
        Generation[] accepted = [.. Enumerable.Range(0, 12).Select(_ => engine.Submit(Request(5)))];
        Assert.Equal(EngineUnavailableReason.Full, engine.Unavailable);
        Assert.Equal(EngineUnavailableReason.Full, Assert.Throws<EngineUnavailableException>(() => engine.Submit(Request(5))).Reason);
        runner.Gate.Set();
        foreach (Generation generation in accepted)
        {
            Assert.Equal((5, FinishReason.Length), await Count(generation));
        }

        Assert.Equal((5, FinishReason.Length), await Count(engine.Submit(Request(5))));
    }

    [Theory]
    [InlineData(1, 0, 0)]
    [InlineData(1, 4, 4)]
    [InlineData(2, 4, 3)]
    [InlineData(3, 4, 2)]
    [InlineData(1, 9, 9)]
    [InlineData(1, 10, 10)]
    public void StopStringsEndNoAnswerInItsFirstTokens(int stop, int minTokens, int length)
    {
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize));
        string letter = Tokenizer.Decode([70], skipSpecialTokens: true);
        SamplingOptions sampling = new() { Temperature = 0, MaxTokens = 10, MinTokens = minTokens, StopStrings = [Repeated(stop)] };
        GeneratedText answer = GeneratedText.Wait(engine, Request(10) with { Sampling = sampling }, _ => { }, Stop);
        Assert.Equal((Repeated(length), length == 10 ? FinishReason.Length : FinishReason.Stop), (answer.Text, answer.Finish));

        string Repeated(int count) => string.Concat(Enumerable.Repeat(letter, count));
    }

    [Fact]
    public async Task AnEndTokenIsNotHandedOutButHasItsLogprobs()
    {
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize));
        GenerationRequest request = Request(5) with { Samples = 2, Logprobs = 2, Sampling = new SamplingOptions { Temperature = 0, StopTokens = [70] } };
        List<GenerationUpdate> updates = [];
        await foreach (GenerationUpdate update in engine.Submit(request).ReadAllAsync(Stop))
        {
            updates.Add(update);
        }

        Assert.Equal([0, 1], updates.Select(update => update.Sample));
        Assert.All(updates, update => Assert.Equal((null, "", FinishReason.Stop, 1), (update.Token, update.Text, update.Finish, update.Generated)));
        Assert.All(updates, update => Assert.Equal((70, 70, 2), (update.Logprobs!.Chosen.Token, update.Logprobs.Top[0].Token, update.Logprobs.Top.Count)));
    }

    [Fact]
    public async Task SeveralAreAcceptedTogetherOrNotAtAll()
    {
        ScriptedRunner runner = new(Tokenizer.VocabularySize);
        runner.Gate.Reset();
        using InferenceEngine engine = Start(runner);
        List<Generation> accepted = [.. engine.Submit([.. Enumerable.Repeat(Request(5), 10)])];
        GenerationRequest[] three = [Request(5), Request(5), Request(5)];
        Assert.Equal(EngineUnavailableReason.Full, Assert.Throws<EngineUnavailableException>(() => engine.Submit(three)).Reason);
        Assert.Throws<UserErrorException>(() => engine.Submit([Request(5), Request(5) with { Prompt = [] }]));

        // Neither took one of the two places that are left.
        accepted.AddRange(engine.Submit(three[..2]));
        Assert.Equal(EngineUnavailableReason.Full, engine.Unavailable);
        runner.Gate.Set();
        foreach (Generation generation in accepted)
        {
            Assert.Equal((5, FinishReason.Length), await Count(generation));
        }

        await engine.DrainAsync(Stop);
    }

    [Fact]
    public void MoreAnswersThanCanRunAndWaitAreNotToldToTryAgain()
    {
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize));
        void Refuses(params GenerationRequest[] requests) => Assert.Contains("the 12 answers that can run and wait", Assert.Throws<UserErrorException>(() => engine.Submit(requests)).Message);
        Refuses([.. Enumerable.Repeat(Request(5), 13)]);
        Refuses(Request(5) with { Samples = 7 }, Request(5) with { Samples = 6 });
        Refuses(Request(5) with { Samples = int.MaxValue }, Request(5) with { Samples = int.MaxValue });
        Assert.Equal(2, engine.Submit([Request(5) with { Samples = 8 }, Request(5) with { Samples = 4 }]).Count);
    }

    /// <summary>Thousands of answers may wait, each of a few bytes of a request: they must not hold a table of the vocabulary, nor their own tables of stop strings.</summary>
    [Fact]
    public void AnswersThatWaitTakeLittleMemory()
    {
        ScriptedRunner runner = new(Tokenizer.VocabularySize);
        runner.Gate.Reset();
        using InferenceEngine engine = Start(runner);
        GenerationRequest request = Request(5) with
        {
            Samples = 8,
            Sampling = new SamplingOptions
            {
                MaxTokens = 5, PresencePenalty = 1, RepetitionPenalty = 1.1, StopStrings = [.. Enumerable.Range(0, 16).Select(i => new string((char)('a' + i), 1000))],
            },
        };
        engine.Submit(request with { Samples = 1 });
        long one = Allocated(request with { Samples = 1 });
        long eight = Allocated(request);
        Assert.InRange((eight - one) / 7, 0, 4096);
        runner.Gate.Set();

        long Allocated(GenerationRequest submitted)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            engine.Submit(submitted);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Fact]
    public async Task CancelledAnswersEndAndFreeTheirBlocks()
    {
        ScriptedRunner runner = new(Tokenizer.VocabularySize);
        using InferenceEngine engine = Start(runner);
        runner.Gate.Reset();
        Generation running = engine.Submit(Request(500) with { Samples = 3 });
        Generation other = engine.Submit(Request(20));
        Generation waiting = engine.Submit(Request(400) with { Samples = 8 });
        running.Cancel();
        running.Cancel();
        waiting.Cancel();
        runner.Gate.Set();
        Assert.Equal(FinishReason.Cancelled, (await Count(running)).Finish);
        Assert.Equal(FinishReason.Cancelled, (await Count(waiting)).Finish);
        Assert.Equal((20, FinishReason.Length), await Count(other));
        await engine.DrainAsync(Stop);
        Assert.Equal(0, engine.Status.UsedBlocks);
        Assert.Equal((0, 0), (engine.Status.Running, engine.Status.Waiting));
    }

    [Fact]
    public async Task LeavingTheReaderCancels()
    {
        using InferenceEngine engine = Start(new ScriptedRunner(Tokenizer.VocabularySize) { StepTime = TimeSpan.FromMilliseconds(10) });
        Generation generation = engine.Submit(Request(500));
        await foreach (GenerationUpdate update in generation.ReadAllAsync(Stop))
        {
            Assert.Null(update.Finish);
            break;
        }

        await engine.DrainAsync(Stop);
        Assert.Equal(0, engine.Status.UsedBlocks);
        (int tokens, FinishReason? finish) = await Count(generation);
        Assert.Equal(FinishReason.Cancelled, finish);
        Assert.InRange(tokens, 0, 250);
    }

    [Fact]
    public async Task DrainingFinishesWhatWasAccepted()
    {
        ScriptedRunner runner = new(Tokenizer.VocabularySize);
        runner.Gate.Reset();
        using InferenceEngine engine = Start(runner);
        Generation accepted = engine.Submit(Request(30));
        Task drained = engine.DrainAsync(Stop);
        Assert.False(drained.IsCompleted);
        Assert.Equal(EngineUnavailableReason.Draining, Assert.Throws<EngineUnavailableException>(() => engine.Submit(Request(5))).Reason);
        runner.Gate.Set();
        Assert.Equal((30, FinishReason.Length), await Count(accepted));
        await drained;
    }

    [Fact]
    public async Task ARequestWithoutAChoosableTokenFailsAlone()
    {
        ScriptedRunner runner = new(Tokenizer.VocabularySize) { Cursed = 3 };
        using InferenceEngine engine = Start(runner);
        Generation cursed = engine.Submit(Request(30) with { Prompt = [3, 70], Samples = 2 });
        Generation other = engine.Submit(Request(30));
        InvalidOperationException error = await Assert.ThrowsAsync<InvalidOperationException>(() => Count(cursed));
        Assert.Contains("no token can be chosen", error.Message);
        Assert.Equal((30, FinishReason.Length), await Count(other));
        await engine.DrainAsync(Stop);
        Assert.Equal(0, engine.Status.UsedBlocks);
    }

    [Fact]
    public async Task AFailedStepEndsEveryRequestWithItsCause()
    {
        ScriptedRunner runner = new(Tokenizer.VocabularySize);
        runner.Gate.Reset();
        using InferenceEngine engine = Start(runner);
        Generation[] accepted = [.. Enumerable.Range(0, 10).Select(_ => engine.Submit(Request(5)))];
        runner.Failure = new InvalidDataException("the disk is gone");
        runner.Gate.Set();
        foreach (Generation generation in accepted)
        {
            EngineUnavailableException error = await Assert.ThrowsAsync<EngineUnavailableException>(() => Count(generation));
            Assert.Equal(EngineUnavailableReason.Failed, error.Reason);
            Assert.Contains("the disk is gone", error.Message);
        }

        Assert.Equal(EngineUnavailableReason.Failed, Assert.Throws<EngineUnavailableException>(() => engine.Submit(Request(5))).Reason);
        await engine.DrainAsync(Stop);
    }

    [Fact]
    public async Task DisposingEndsWhatHasNotEnded()
    {
        ScriptedRunner runner = new(Tokenizer.VocabularySize);
        InferenceEngine engine = Start(runner);
        runner.Gate.Reset();
        Generation generation = engine.Submit(Request(500));
        Task disposed = Task.Run(engine.Dispose, Stop);
        while (engine.Unavailable is null)
        {
            await Task.Delay(1, Stop);
        }

        runner.Gate.Set();
        await disposed;
        EngineUnavailableException error = await Assert.ThrowsAsync<EngineUnavailableException>(() => Count(generation));
        Assert.Equal(EngineUnavailableReason.Draining, error.Reason);
        generation.Cancel();
        engine.Dispose();
    }

    private static InferenceEngine Start(ScriptedRunner runner) =>
        new(runner, Tokenizer, [], new EngineSizes(CacheBlocks: 64, TokensPerStep: 64, ContextLength: 512), new EngineOptions { MaxRunning = 8, MaxWaiting = 4 });

    private static GenerationRequest Request(int tokens) =>
        new() { Prompt = [5, 70, 71], Sampling = new SamplingOptions { Temperature = 0, MaxTokens = tokens } };

    private static async Task<(int Tokens, FinishReason? Finish)> Count(Generation generation)
    {
        int tokens = 0;
        FinishReason? finish = null;
        await foreach (GenerationUpdate update in generation.ReadAllAsync(Stop))
        {
            tokens += update.Token is null ? 0 : 1;
            finish = update.Finish ?? finish;
        }

        return (tokens, finish);
    }
}
