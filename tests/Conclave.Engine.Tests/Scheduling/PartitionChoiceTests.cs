using Conclave.Engine.Scheduling;
using CsCheck;

namespace Conclave.Engine.Tests.Scheduling;

/// <summary>Where requests go. Nothing is computed here: what counts is how far each partition is.</summary>
public sealed class PartitionChoiceTests
{
    private const int TokensPerBlock = 4;
    private const int TokensPerStep = 32;

    [Fact]
    public void Work_is_what_prompts_and_answers_have_still_to_compute()
    {
        Scheduler scheduler = Partitions(1)[0];
        Assert.Equal(0, scheduler.Work);
        Sequence first = Submit(scheduler, Prompt(40, 1), 30);
        Assert.Equal(40 + 30, scheduler.Work);
        Step(scheduler);
        Assert.Equal(40 - TokensPerStep + 30, scheduler.Work);
        Step(scheduler);

        // The first token of the answer is there, and is to be computed itself.
        Assert.Equal(1 + 29, scheduler.Work);
        scheduler.Finish(first);
        Assert.Equal(0, scheduler.Work);

        // What is cached need not be computed, whether a sequence waits or runs.
        Submit(scheduler, [.. Prompt(40, 1), 5, 6], 30);
        Assert.Equal(2 + 30, scheduler.Work);
        Step(scheduler);
        Assert.Equal(1 + 29, scheduler.Work);

        // Of an answer that may have very many tokens fewer are expected; each of several counts.
        Submit(scheduler, Prompt(8, 2), 600, samples: 3);
        Assert.Equal(1 + 29 + 8 + (3 * 350), scheduler.Work);
    }

    [Fact]
    public void The_least_work_with_the_prompt_decides_then_the_order()
    {
        Gen<(int Prompt, int Seed, int Answer)> request = Gen.Select(Gen.Int[1, 24], Gen.Int[0, 2], Gen.Int[1, 20], (prompt, seed, answer) => (prompt, seed, answer));
        int cached = 0;
        Gen.Select(request.Array[1, 12], Gen.Int[1, 4], Gen.Int[0, 3]).Sample((requests, count, steps) =>
        {
            Scheduler[] partitions = Partitions(count);
            foreach ((int prompt, int seed, int answer) in requests)
            {
                Sequence sequence = new(Prompt(prompt, seed), answer, TokensPerBlock);
                long[] work = [.. partitions.Select(partition => partition.Work + prompt - partition.Blocks.CountCached(sequence))];
                int chosen = PartitionChoice.Choose(partitions, sequence);
                Assert.Equal(Array.IndexOf(work, work.Min()), chosen);
                Interlocked.Add(ref cached, partitions[chosen].Blocks.CountCached(sequence));
                partitions[chosen].Submit(sequence);
                for (int step = 0; step < steps; step++)
                {
                    Step(partitions);
                }
            }
        });
        Assert.True(cached > 1000, $"{cached} cached tokens");
    }

    /// <summary>Each comes while the answers to those before it are under way, whose prompts are computed and cached.</summary>
    [Theory]
    [InlineData(2, 16)]
    [InlineData(2, 600)]
    [InlineData(3, 16)]
    [InlineData(3, 600)]
    public void A_common_prefix_does_not_gather_those_that_come_one_by_one(int count, int common)
    {
        Scheduler[] partitions = Partitions(count);
        int[] requests = new int[count];
        for (int i = 0; i < 16; i++)
        {
            Sequence sequence = new([.. Prompt(common, 1), i, i, i], 400, TokensPerBlock);
            int chosen = PartitionChoice.Choose(partitions, sequence);
            requests[chosen]++;
            partitions[chosen].Submit(sequence);
            while (sequence.Generated.IsEmpty)
            {
                Step(partitions);
            }
        }

        Assert.True(requests.Max() - requests.Min() <= 1, string.Join(", ", requests));
    }

    [Fact]
    public void A_conversation_goes_on_where_it_is_cached_unless_another_is_sooner_through_with_all_of_it()
    {
        Scheduler[] partitions = Partitions(2);
        Sequence first = Submit(partitions[1], Prompt(200, 1), 4);
        while (first.Status != SequenceStatus.Finished)
        {
            Step(partitions);
        }

        Sequence next = new([.. first.Tokens, 1, 2, 3], 4, TokensPerBlock);
        Assert.Equal(1, PartitionChoice.Choose(partitions, next));
        int cached = partitions[1].Blocks.CountCached(next);
        Assert.InRange(cached, 200, 203);

        // As far behind as the prefix is long, but for one token; then by one more.
        Submit(partitions[1], Prompt(cached - 2, 2), 1);
        Assert.Equal(1, PartitionChoice.Choose(partitions, next));
        Submit(partitions[1], [1], 1);
        Assert.Equal(0, PartitionChoice.Choose(partitions, next));
    }

    private static Scheduler[] Partitions(int count) =>
        [.. Enumerable.Range(0, count).Select(_ => new Scheduler(new BlockManager(4000, TokensPerBlock), TokensPerStep, maxRunning: 16))];

    private static Sequence Submit(Scheduler scheduler, int[] prompt, int answer, int samples = 1)
    {
        Sequence sequence = new(prompt, answer, TokensPerBlock) { Samples = samples };
        scheduler.Submit(sequence);
        return sequence;
    }

    private static int[] Prompt(int length, int seed) => [.. Enumerable.Repeat(seed, length)];

    private static void Step(params ReadOnlySpan<Scheduler> partitions)
    {
        foreach (Scheduler partition in partitions)
        {
            StepEntry[] entries = partition.Schedule().Entries.ToArray();
            partition.Complete();
            foreach (Sequence sequence in entries.Where(entry => entry.Logits > 0).Select(entry => entry.Sequence))
            {
                sequence.Append(9);
                if (sequence.Count == sequence.Capacity)
                {
                    partition.Finish(sequence);
                }
            }
        }
    }
}
