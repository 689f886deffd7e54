using Conclave.Engine.Scheduling;
using Conclave.Models;
using Conclave.Primitives;
using CsCheck;

namespace Conclave.Engine.Tests.Scheduling;

public sealed class SchedulerTests
{
    private const int TokensPerBlock = 4;
    private int _submitted;

    /// <summary>
    /// Random requests with shared prefixes, priorities, several samples and cancellations, in caches that are mostly too small. All end, answers are those of the request
    /// alone, and no block is left. The run checks every plan: among other things who gets how much of a step, and who overtakes whom.
    /// </summary>
    [Fact]
    public void Every_request_ends_with_the_answer_that_it_has_alone()
    {
        Gen<int[]> prompt = Gen.Select(Gen.Int[0, 3], Gen.Int[0, 24], Gen.Int[1, 7].Array[1, 14], (family, shared, own) =>
            (int[])[.. Enumerable.Range(0, shared).Select(i => 1 + ((family + i) % 5)), .. own]);
        Gen<TestRequest> request = Gen.Select(
            prompt, Gen.Int[1, 20], Gen.Int[0, 30], Gen.Int[0, 2], Gen.Frequency((4, Gen.Const(1)), (1, Gen.Int[2, 4])),
            Gen.Frequency((5, Gen.Const(int.MaxValue)), (1, Gen.Int[0, 60])), (p, max, arrival, priority, samples, cancel) =>
                new TestRequest(p, max, arrival, priority, samples, cancel));
        long preemptions = 0;
        long hits = 0;
        long waited = 0;
        Gen.Select(request.Array[1, 20], Gen.Frequency((3, Gen.Int[0, 6]), (1, Gen.Int[7, 40])), Gen.Int[0, 30], Gen.Int[4, 10]).Sample(
            (requests, moreBlocks, moreTokens, maxRunning) =>
        {
            int largest = requests.Max(r => (r.Prompt.Length + r.MaxNew - 1 + TokensPerBlock - 1) / TokensPerBlock);
            using SchedulerRun run = new(largest + moreBlocks, TokensPerBlock, maxRunning + moreTokens, maxRunning, strict: true);
            run.Serve(requests);
            Assert.Equal(run.Blocks.Total, run.Blocks.Available);
            foreach (TestRequest r in requests)
            {
                bool cancelled = r.CancelAt < int.MaxValue;
                Assert.True(cancelled || run.Samples[r].Count == r.Samples);
                for (int sample = 0; sample < run.Samples[r].Count; sample++)
                {
                    Sequence sequence = run.Samples[r][sample];
                    int[] alone = SchedulerRun.Alone(r, sample);
                    Assert.Equal(SequenceStatus.Finished, sequence.Status);
                    Assert.Equal(cancelled ? alone[..sequence.Generated.Length] : alone, sequence.Generated.ToArray());
                }
            }

            Interlocked.Add(ref preemptions, run.Scheduler.Preemptions);
            Interlocked.Add(ref hits, run.Scheduler.PrefixHits);
            Interlocked.Add(ref waited, run.ForksThatWaited);
        }, iter: 3000);
        Assert.True(preemptions > 500, $"{preemptions} preemptions");
        Assert.True(hits > 1000, $"{hits} hits");
        Assert.True(waited > 200, $"{waited} samples had no seat");
    }

    /// <summary>Where answers may be reused, everything else holds as well.</summary>
    [Fact]
    public void Every_request_ends_when_answers_are_reused()
    {
        Gen.Select(Gen.Int[1, 3].Array[1, 30].Array[1, 15], Gen.Int[0, 20], Gen.Int[0, 40]).Sample((prompts, moreBlocks, moreTokens) =>
        {
            TestRequest[] requests = [.. prompts.Select((p, i) => new TestRequest(p, 12, i))];
            int largest = requests.Max(r => (r.Prompt.Length + r.MaxNew - 1 + TokensPerBlock - 1) / TokensPerBlock);
            using SchedulerRun run = new(largest + moreBlocks, TokensPerBlock, 6 + moreTokens, 6, strict: false);
            run.Serve(requests);
            Assert.Equal(run.Blocks.Total, run.Blocks.Available);
            Assert.All(run.Samples.Values, list => Assert.Equal(SequenceStatus.Finished, list[0].Status));
        }, iter: 1000);
    }

    [Fact]
    public void A_short_prompt_does_not_wait_for_a_huge_one()
    {
        using SchedulerRun run = new(40_000, TokensPerBlock, 512, 16, strict: true);
        Submit(run, new int[100_000], 5);
        run.Step();
        Sequence quick = Submit(run, [1, 2, 3, 4, 5], 1);
        run.Step();
        Assert.Equal(SequenceStatus.Finished, quick.Status);

        // What the short one left belongs to the huge one: no token of the budget is lost.
        Submit(run, [.. Enumerable.Repeat(2, 100)], 3);
        Assert.Equal(512, run.Step().Tokens);
    }

    [Fact]
    public void The_first_prompt_has_half_of_a_step_and_those_that_need_least_the_rest()
    {
        Scheduler scheduler = new(new BlockManager(4000, TokensPerBlock), 400, 16);
        Submit(scheduler, 1, 2000);
        Submit(scheduler, 9, 1000);
        Assert.Equal([200, 200], Counts(scheduler.Schedule()));
        scheduler.Complete();

        // Behind ten huge ones; what it does not need is theirs.
        Submit(scheduler, 1, 50);
        Assert.Equal([200, 150, 50], Counts(scheduler.Schedule()));
        scheduler.Complete();
        Assert.Equal([200, 200], Counts(scheduler.Schedule()));
    }

    [Fact]
    public void A_burst_of_short_prompts_fills_steps()
    {
        Scheduler scheduler = new(new BlockManager(400, TokensPerBlock), 512, 64);
        Sequence[] burst = Submit(scheduler, 64, 10);
        Step(scheduler);
        Assert.Equal(51, burst.Count(sequence => sequence.Status == SequenceStatus.Finished));
        Step(scheduler);
        Assert.All(burst, sequence => Assert.Equal(SequenceStatus.Finished, sequence.Status));
    }

    [Fact]
    public void A_prompt_of_higher_priority_comes_before_those_under_way()
    {
        Scheduler scheduler = new(new BlockManager(4000, TokensPerBlock), 400, 16);
        Submit(scheduler, 6, 1000);
        Step(scheduler);
        Sequence[] urgent = Submit(scheduler, 2, 500, priority: -1);
        Step(scheduler);
        Assert.Equal([400, 0], urgent.Select(sequence => sequence.Computed));
        Step(scheduler);
        Step(scheduler);
        Assert.All(urgent, sequence => Assert.Equal(SequenceStatus.Finished, sequence.Status));
    }

    [Fact]
    public void A_long_prompt_is_not_starved_by_short_ones()
    {
        Scheduler scheduler = new(new BlockManager(4000, TokensPerBlock), 64, 16);
        Sequence[] huge = Submit(scheduler, 2, 960);
        for (int step = 0; step < 60; step++)
        {
            Submit(scheduler, 4, 20);
            Step(scheduler);
            Assert.Equal(step >= 29, huge[0].Status == SequenceStatus.Finished);
        }

        Assert.Equal(SequenceStatus.Finished, huge[1].Status);
        Assert.True(scheduler.WaitingCount > 100);
    }

    [Fact]
    public void Prompts_of_one_length_are_served_in_the_order_in_which_they_came()
    {
        Scheduler scheduler = new(new BlockManager(4000, TokensPerBlock), 64, 4);
        Sequence[] equal = Submit(scheduler, 20, 100);
        for (int done = 0; done < equal.Length;)
        {
            Step(scheduler);
            done = equal.Count(sequence => sequence.Status == SequenceStatus.Finished);
            Assert.All(equal[..done], sequence => Assert.Equal(SequenceStatus.Finished, sequence.Status));
        }
    }

    [Fact]
    public void Many_samples_keep_nobody_from_running()
    {
        BlockManager blocks = new(400, TokensPerBlock);
        Scheduler scheduler = new(blocks, 64, maxRunning: 4);
        Sequence tale = new([1, 2, 3], 200, TokensPerBlock);
        Sequence many = new([4, 5, 6, 7, 8, 9], 10, TokensPerBlock) { Samples = 4 };
        Sequence quick = new([7, 8], 3, TokensPerBlock);
        scheduler.Submit(tale);
        Step(scheduler);
        scheduler.Submit(many);
        scheduler.Submit(quick);

        // The quick one has the seat that was free while the prompt of the many was computed; what comes later waits behind all of them.
        Sequence[] forks = Step(scheduler);
        Assert.Equal([SequenceStatus.Running, SequenceStatus.Waiting, SequenceStatus.Waiting], forks.Select(fork => fork.Status));
        Assert.Equal(SequenceStatus.Running, quick.Status);
        Sequence late = new([8, 9], 3, TokensPerBlock);
        scheduler.Submit(late);
        for (int step = 0; scheduler.RunningCount + scheduler.WaitingCount > 1; step++)
        {
            Assert.True(step < 40, "they wait for the tale");
            Step(scheduler);
            Assert.False(late.Status == SequenceStatus.Running && forks.Any(fork => fork.Status == SequenceStatus.Waiting));
        }

        // No prompt was computed again, but for what its last block holds.
        Assert.Equal((4, 4, 0L), (forks[1].ReusedTokens, forks[2].ReusedTokens, scheduler.Preemptions));
        Assert.Equal(SequenceStatus.Running, tale.Status);
        scheduler.Finish(tale);
        Assert.Equal(blocks.Total, blocks.Available);
    }

    /// <summary>
    /// Further answers take a copy of the prompt's last block, or a new one, as soon as the prompt is computed. Whoever were admitted into these blocks meanwhile would lose its own at once.
    /// </summary>
    [Theory]
    [InlineData(38)]
    [InlineData(40)]
    public void Nobody_is_admitted_into_blocks_that_further_answers_will_take(int manyTokens)
    {
        BlockManager blocks = new(20, TokensPerBlock);
        Scheduler scheduler = new(blocks, 24, 8);
        Sequence many = new([.. Enumerable.Repeat(1, manyTokens)], 2, TokensPerBlock) { Samples = 4 };
        Sequence late = new([.. Enumerable.Repeat(2, 32)], 2, TokensPerBlock);
        scheduler.Submit(many);
        Step(scheduler);
        scheduler.Submit(late);
        while (late.Status != SequenceStatus.Finished)
        {
            Step(scheduler);
        }

        Assert.Equal(0, scheduler.Preemptions);
        Assert.Equal(blocks.Total, blocks.Available);
    }

    /// <summary>Blocks are promised to further answers against those that come later, not against the request itself, and only to those that will find a seat.</summary>
    [Fact]
    public void A_request_is_admitted_where_its_further_answers_do_not_fit_at_a_time()
    {
        Scheduler scheduler = new(new BlockManager(5, TokensPerBlock), 16, 8);
        Sequence many = new([.. Enumerable.Repeat(1, 14)], 3, TokensPerBlock) { Samples = 8 };
        scheduler.Submit(many);
        for (int step = 0; scheduler.RunningCount + scheduler.WaitingCount > 0; step++)
        {
            Assert.True(step < 40, "it does not end");
            Step(scheduler);
        }

        // One seat is free, which one answer more will take.
        scheduler = new(new BlockManager(9, TokensPerBlock), 16, 3);
        scheduler.Submit(new Sequence([1, 2], 20, TokensPerBlock));
        Step(scheduler);
        scheduler.Submit(new Sequence([.. Enumerable.Repeat(1, 18)], 2, TokensPerBlock) { Samples = 3 });
        Step(scheduler);
        Sequence late = new([3], 2, TokensPerBlock);
        scheduler.Submit(late);
        Step(scheduler);
        Assert.Equal(SequenceStatus.Running, late.Status);
    }

    [Fact]
    public void A_lower_priority_value_goes_first_and_is_preempted_last()
    {
        using SchedulerRun run = new(10, TokensPerBlock, 64, 2, strict: true);
        Sequence late = Submit(run, [1, 1, 1, 1, 1, 1], 20, priority: 5);
        Sequence early = Submit(run, [2, 2, 2, 2, 2, 2], 20, priority: -1);
        Sequence third = Submit(run, [3, 3, 3, 3, 3, 3], 20, priority: 2);
        StepPlan plan = run.Step();
        Assert.Equal([early, third], plan.Entries.ToArray().Select(e => e.Sequence));
        Assert.Equal(SequenceStatus.Waiting, late.Status);
        while (run.Scheduler.RunningCount > 0)
        {
            run.Step();
        }

        Assert.Equal(0, early.Preemptions);
    }

    [Fact]
    public void A_preempted_sequence_computes_its_prompt_expanded_and_its_answer_absorbed()
    {
        BlockManager blocks = new(100, TokensPerBlock);
        Scheduler scheduler = new(blocks, 64, 8);
        Sequence sequence = new([1, 2, 3, 4, 5, 6], 10, TokensPerBlock);
        sequence.Append(7);
        sequence.Append(8);
        sequence.Append(9);
        scheduler.Submit(sequence);
        StepEntry[] entries = scheduler.Schedule().Entries.ToArray();
        Assert.Equal(
            [new StepEntry(sequence, 0, 6, AttentionForm.Expanded, 0, 0), new StepEntry(sequence, 6, 3, AttentionForm.Absorbed, 1, 0)], entries);
    }

    [Fact]
    public void Prompt_logits_come_for_every_position()
    {
        BlockManager blocks = new(100, TokensPerBlock);
        Scheduler scheduler = new(blocks, 4, 4);
        scheduler.Submit(new Sequence([1, 2, 3, 4, 5, 6], 10, TokensPerBlock) { PromptLogits = true });
        Assert.Equal(4, scheduler.Schedule().LogitRows);
        scheduler.Complete();
        Assert.Equal(2, scheduler.Schedule().LogitRows);
    }

    /// <summary>Prompt chunks, single tokens, reuse, admission and preemption, all without the managed heap.</summary>
    [Theory]
    [InlineData(2000, false)]
    [InlineData(60, true)]
    public void A_step_allocates_nothing(int total, bool preempts)
    {
        BlockManager blocks = new(total, TokensPerBlock);
        Scheduler scheduler = new(blocks, 64, 32);
        Queue<Sequence> prepared = new(Enumerable.Range(0, 400).Select(i => new Sequence([.. Enumerable.Range(0, 1 + (i % 40)).Select(p => p % 7)], 60, TokensPerBlock)));
        long allocated = 0;
        for (int step = 0; step < 600; step++)
        {
            while (scheduler.RunningCount + scheduler.WaitingCount < 32)
            {
                scheduler.Submit(prepared.Dequeue());
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            StepPlan plan = scheduler.Schedule();
            scheduler.Complete();
            foreach (ref readonly StepEntry entry in plan.Entries)
            {
                if (entry.Logits > 0)
                {
                    entry.Sequence.Append(step % 5);
                    if (entry.Sequence.Count == entry.Sequence.Capacity)
                    {
                        scheduler.Finish(entry.Sequence);
                    }
                }
            }

            allocated += step < 100 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, allocated);
        Assert.Equal(preempts, scheduler.Preemptions > 0);
    }

    [Fact]
    public void What_can_never_run_is_refused()
    {
        Scheduler scheduler = new(new BlockManager(4, TokensPerBlock), 8, 8);
        scheduler.Submit(new Sequence(new int[10], 7, TokensPerBlock));
        UserErrorException error = Assert.Throws<UserErrorException>(() => scheduler.Submit(new Sequence(new int[10], 8, TokensPerBlock)));
        Assert.Contains("5 blocks", error.Message, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => scheduler.Submit(new Sequence([1], 1, TokensPerBlock) { Samples = 9 }));
        Assert.Throws<UserErrorException>(() => scheduler.Submit(new Sequence([1], 1, TokensPerBlock) { Samples = 0 }));
        Assert.Throws<UserErrorException>(() => new Sequence([], 1, TokensPerBlock));
        Assert.Throws<UserErrorException>(() => new Sequence([1], -1, TokensPerBlock));
        Assert.Throws<UserErrorException>(() => new Sequence([1], int.MaxValue, TokensPerBlock));
        Assert.Throws<UserErrorException>(() => new Scheduler(new BlockManager(4, TokensPerBlock), 7, 8));
        Assert.Equal(1, scheduler.WaitingCount);
    }

    /// <summary>It takes the blocks of its own positions, which may be all there are.</summary>
    [Fact]
    public void APromptWithoutAnAnswerTakesNoBlockMore()
    {
        Scheduler scheduler = new(new BlockManager(4, TokensPerBlock), 4 * TokensPerBlock, 8);
        Sequence sequence = new(new int[4 * TokensPerBlock], 0, TokensPerBlock);
        scheduler.Submit(sequence);
        Assert.Equal([4 * TokensPerBlock], Counts(scheduler.Schedule()));
        scheduler.Complete();
        Assert.Equal((4, 4 * TokensPerBlock), (sequence.Blocks.Length, sequence.Computed));
        Assert.Throws<UserErrorException>(() => scheduler.Submit(new Sequence(new int[(4 * TokensPerBlock) + 1], 0, TokensPerBlock)));
        Assert.Throws<UserErrorException>(() => scheduler.Submit(new Sequence(new int[4 * TokensPerBlock], 2, TokensPerBlock)));
    }

    private static int[] Counts(StepPlan plan) => [.. plan.Entries.ToArray().Select(entry => entry.Count)];

    /// <summary>Prompts without a common prefix, with answers of one token.</summary>
    private Sequence[] Submit(Scheduler scheduler, int count, int length, int priority = 0)
    {
        Sequence[] sequences = [.. Enumerable.Range(0, count).Select(_ => new Sequence([.. Enumerable.Repeat(_submitted++, length)], 1, TokensPerBlock) { Priority = priority })];
        Array.ForEach(sequences, scheduler.Submit);
        return sequences;
    }

    /// <summary>One step of answers that end only when they are full; the samples that it made.</summary>
    private static Sequence[] Step(Scheduler scheduler)
    {
        StepEntry[] entries = scheduler.Schedule().Entries.ToArray();
        scheduler.Complete();
        List<Sequence> forks = [];
        foreach (Sequence sequence in entries.Where(entry => entry.Logits > 0).Select(entry => entry.Sequence))
        {
            Sequence[] made = [.. Enumerable.Range(0, sequence.PendingForks).Select(_ => scheduler.Fork(sequence))];
            forks.AddRange(made);
            foreach (Sequence sample in (Sequence[])[sequence, .. made])
            {
                sample.Append(9);
                if (sample.Count == sample.Capacity)
                {
                    scheduler.Finish(sample);
                }
            }
        }

        return [.. forks];
    }

    private static Sequence Submit(SchedulerRun run, int[] prompt, int maxNew, int priority = 0)
    {
        Sequence sequence = new(prompt, maxNew, TokensPerBlock) { Priority = priority };
        run.Samples.Add(new TestRequest(prompt, maxNew, 0, priority), [sequence]);
        run.Scheduler.Submit(sequence);
        return sequence;
    }

    [Fact]
    public void A_prompt_that_needs_all_logits_takes_few_of_a_step_and_leaves_the_rest_to_others()
    {
        BlockManager blocks = new(64, 16);
        Scheduler scheduler = new(blocks, 512, 4);
        Sequence scored = new(new int[200], 1, 16) { PromptLogits = true };
        Sequence other = new([.. Enumerable.Range(0, 300)], 1, 16);
        scheduler.Submit(scored);
        scheduler.Submit(other);
        List<int> rows = [];
        while (scored.Computed < 200)
        {
            rows.Add(scheduler.Schedule().LogitRows);
            scheduler.Complete();
        }

        Assert.Equal([64, 64, 64, 8], rows.Select(count => count - (count % 8)));
        Assert.Equal(300, other.Computed);
        Array.ForEach([1, 2, 3], token => scheduler.Submit(new Sequence([.. Enumerable.Repeat(token, 50)], 1, 16) { PromptLogits = true }));
        Assert.Equal(64, scheduler.Schedule().LogitRows);
    }
}
