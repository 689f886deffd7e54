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

    [Fact]
    public void TheLongestPrefixDecidesThenTheFewestTokensThenTheOrder()
    {
        Assert.Equal(0, PartitionChoice.Choose([new(0, 9)]));
        Assert.Equal(2, PartitionChoice.Choose([new(0, 0), new(64, 0), new(128, 1000)]));
        Assert.Equal(1, PartitionChoice.Choose([new(64, 8), new(64, 7), new(0, 0)]));
        Assert.Equal(0, PartitionChoice.Choose([new(64, 7), new(64, 7)]));
        Gen.Select(Gen.Int[0, 3], Gen.Long[0, 3]).Array[1, 6].Sample(states =>
        {
            PartitionState[] partitions = [.. states.Select(state => new PartitionState(state.Item1, state.Item2))];
            int expected = partitions.Index().OrderByDescending(one => one.Item.Cached).ThenBy(one => one.Item.Tokens).First().Index;
            Assert.Equal(expected, PartitionChoice.Choose(partitions));
        });
    }

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
    public async Task PreemptionAndCancellationInOnePartitionLeaveTheOthersAlone()
    {
        RecordingRunner runner = new(9, 2, Tokenizer.VocabularySize);
        using InferenceEngine engine = Start(runner, 9, 2);
        int[][] prefixes = await Spread(runner, engine, 2);
        runner.Gate.Reset();
        int[] lonely = [.. prefixes[1], 7];
        GenerationRequest[] requests = [Request(lonely, 300), .. Enumerable.Range(0, 4).Select(i => Request([.. prefixes[0], 1000 + i], 300))];
        Generation[] generations = [.. requests.Select(engine.Submit)];
        Generation cancelled = engine.Submit(Request([.. prefixes[0], 2000], 300));
        cancelled.Cancel();
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
