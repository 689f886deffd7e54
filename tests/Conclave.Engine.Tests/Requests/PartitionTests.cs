using Conclave.Engine.Scheduling;
using Conclave.Testing;
using Conclave.Text;
using CsCheck;

namespace Conclave.Engine.Tests.Requests;

/// <summary>Requests over several partitions of the cache, on a model that shows every wrong one.</summary>
public sealed class PartitionTests
{
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Repository.Fable);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task AnswersAreThoseOfOneCacheAndAllPartitionsCompute(int partitions)
    {
        RecordingRunner runner = new(16, partitions, Tokenizer.VocabularySize);
        using InferenceEngine engine = Start(runner, 16, partitions);
        runner.Gate.Reset();
        GenerationRequest[] requests = [.. Enumerable.Range(0, 40).Select(i => Request(Prompt(i, 3 + (i * 11 % 150)), 1 + (i * 7 % 50), 1 + (i % 3)))];
        Generation[] generations = [.. requests.Select(engine.Submit)];
        Assert.Equal(16 * partitions, engine.Status.CacheBlocks);
        runner.Gate.Set();
        foreach ((Generation generation, GenerationRequest request) in generations.Zip(requests))
        {
            int[] alone = RecordingRunner.Alone(request.Prompt, request.Sampling.MaxTokens!.Value, Tokenizer.VocabularySize);
            Assert.All(await Read(generation), answer => Assert.Equal(alone, answer));
        }

        await engine.DrainAsync(Stop);
        Assert.Equal((0, 0, 0), (engine.Status.UsedBlocks, engine.Status.Running, engine.Status.Waiting));
        for (int partition = 0; partition < partitions; partition++)
        {
            Assert.Contains(runner.Steps, step => step[partition].Length > 1);
        }

        // Some steps are empty for some, and a sequence, whose forks have its prompt, stays where it is.
        Assert.Equal(partitions > 1, runner.Steps.Any(step => step.Any(sequences => sequences.Length == 0)));
        Assert.All(requests, request => Assert.Single(Partitions(runner, request.Prompt)));
    }

    [Fact]
    public async Task ARequestGoesWhereItsPrefixIsCached()
    {
        RecordingRunner runner = new(64, 3, Tokenizer.VocabularySize);
        using InferenceEngine engine = Start(runner, 64, 3);
        int[][] prefixes = await Spread(runner, engine, 3);
        for (int round = 0; round < 2; round++)
        {
            foreach (int partition in new[] { 2, 0, 1, 1 })
            {
                int[] prompt = [.. prefixes[partition], 1000 + round, partition];
                Generation generation = engine.Submit(Request(prompt, 3));
                Assert.Equal(RecordingRunner.Alone(prompt, 3, Tokenizer.VocabularySize), Assert.Single(await Read(generation)));
                Assert.Equal(128, generation.ReusedTokens);
                Assert.Equal([partition], Partitions(runner, prompt));
            }
        }
    }

    [Fact]
    public async Task ARequestDoesNotWaitForItsPrefixsPartition()
    {
        RecordingRunner runner = new(64, 2, Tokenizer.VocabularySize);
        using InferenceEngine engine = Start(runner, 64, 2);
        int[][] prefixes = await Spread(runner, engine, 2);
        runner.Gate.Reset();
        int[] longer = Prompt(7, 400);
        int[] next = [.. prefixes[0], 7];
        Generation[] generations = [engine.Submit(Request(longer, 4)), engine.Submit(Request(next, 4))];
        runner.Gate.Set();
        await Task.WhenAll(generations.Select(Read));
        Assert.Equal([0], Partitions(runner, longer));
        Assert.Equal([1], Partitions(runner, next));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task ACommonPrefixDoesNotGatherRequests(int partitions)
    {
        RecordingRunner runner = new(64, partitions, Tokenizer.VocabularySize);
        using InferenceEngine engine = Start(runner, 64, partitions);
        runner.Gate.Reset();
        int[][] prompts = [.. Enumerable.Range(0, 16).Select(i => (int[])[.. Prompt(1, 128), .. Prompt(2 + i, 20)])];
        Generation[] generations = [.. prompts.Select(prompt => engine.Submit(Request(prompt, 20)))];
        runner.Gate.Set();
        await Task.WhenAll(generations.Select(Read));
        int[] requests = [.. prompts.CountBy(prompt => Assert.Single(Partitions(runner, prompt))).OrderBy(pair => pair.Key).Select(pair => pair.Value)];
        Assert.Equal(partitions, requests.Length);
        Assert.True(requests.Max() - requests.Min() <= 1, string.Join(", ", requests));
    }

    [Fact]
    public async Task PreemptionAndCancellationInOnePartitionLeaveTheOthersAlone()
    {
        RecordingRunner runner = new(9, 2, Tokenizer.VocabularySize);
        using InferenceEngine engine = Start(runner, 9, 2);
        int[][] prefixes = await Spread(runner, engine, 2);
        runner.Gate.Reset();
        int[] lonely = [.. prefixes[1], 7];
        GenerationRequest[] requests = [Request(lonely, 300), .. Enumerable.Range(0, 2).Select(i => Request([.. prefixes[0], 1000 + i], 300))];
        Generation first = engine.Submit(requests[0]);
        Generation cancelled = engine.Submit(Request([.. prefixes[0], 2000], 300));
        cancelled.Cancel();
        Generation[] generations = [first, .. requests[1..].Select(engine.Submit)];
        runner.Gate.Set();
        foreach ((Generation generation, GenerationRequest request) in generations.Zip(requests))
        {
            Assert.Equal(RecordingRunner.Alone(request.Prompt, 300, Tokenizer.VocabularySize), Assert.Single(await Read(generation)));
        }

        await Read(cancelled);
        Assert.True(engine.Status.Preemptions > 0);
        Assert.Equal(0, engine.Status.UsedBlocks);

        // A step for each of its tokens, without a pause.
        int[] steps = [.. runner.Steps.Index().Where(step => Holds(step.Item[1], lonely)).Select(step => step.Index)];
        Assert.Equal(300, steps.Length);
        Assert.Equal(299, steps[^1] - steps[0]);
        Assert.All(requests[1..], request => Assert.Equal([0], Partitions(runner, request.Prompt)));
    }

    /// <summary>Fills each partition's cache with a prompt of its own: those that wait together are divided.</summary>
    private static async Task<int[][]> Spread(RecordingRunner runner, InferenceEngine engine, int partitions)
    {
        runner.Gate.Reset();
        int[][] prefixes = [.. Enumerable.Range(0, partitions).Select(i => Prompt(500 + i, 128))];
        Generation[] generations = [.. prefixes.Select(prefix => engine.Submit(Request(prefix, 4)))];
        runner.Gate.Set();
        foreach (Generation generation in generations)
        {
            await Read(generation);
        }

        for (int i = 0; i < partitions; i++)
        {
            Assert.Equal([i], Partitions(runner, prefixes[i]));
        }

        return prefixes;
    }

    private static int[] Partitions(RecordingRunner runner, IReadOnlyList<int> prompt) =>
        [.. runner.Steps.SelectMany(step => Enumerable.Range(0, step.Length).Where(partition => Holds(step[partition], prompt))).Distinct()];

    private static bool Holds(Sequence[] sequences, IReadOnlyList<int> prompt) =>
        Array.Exists(sequences, sequence => sequence.Tokens[..sequence.PromptLength].SequenceEqual([.. prompt]));

    private static InferenceEngine Start(RecordingRunner runner, int blocks, int partitions) =>
        new(runner, Tokenizer, [], new EngineSizes(blocks, TokensPerStep: 64, ContextLength: 512, partitions), new EngineOptions { MaxRunning = 8 });

    private static int[] Prompt(int seed, int length)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(Tokenizer.VocabularySize))];
    }

    private static GenerationRequest Request(int[] prompt, int tokens, int samples = 1) =>
        new() { Prompt = prompt, Samples = samples, Sampling = new SamplingOptions { Temperature = 0, MaxTokens = tokens } };

    private static async Task<int[][]> Read(Generation generation)
    {
        List<int>[] answers = [.. Enumerable.Range(0, generation.Request.Samples).Select(_ => new List<int>())];
        await foreach (GenerationUpdate update in generation.ReadAllAsync(Stop))
        {
            if (update.Token is { } token)
            {
                answers[update.Sample].Add(token);
            }
        }

        return [.. answers.Select(answer => answer.ToArray())];
    }
}
