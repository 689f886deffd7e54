using Conclave.Engine.Scheduling;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Engine.Tests.Scheduling;

/// <summary>What a test asks for.</summary>
internal sealed record TestRequest(int[] Prompt, int MaxNew, int Arrival, int Priority = 0, int Samples = 1, int CancelAt = int.MaxValue);

/// <summary>An engine of the fewest lines: scheduler, block manager and null model, with every promise of a plan checked in every step.</summary>
internal sealed class SchedulerRun : IDisposable
{
    public const int Vocabulary = 8;
    private const int EndToken = 0;
    private readonly BlockManager _blocks;
    private readonly NullModelRunner _runner;
    private readonly int _tokensPerStep;
    private readonly int _maxRunning;

    public SchedulerRun(int blocks, int tokensPerBlock, int tokensPerStep, int maxRunning, bool strict)
    {
        _blocks = new BlockManager(blocks, tokensPerBlock, strict ? PrefixReuse.Strict : PrefixReuse.All);
        _runner = new NullModelRunner(blocks, tokensPerBlock, tokensPerStep, Vocabulary);
        _tokensPerStep = tokensPerStep;
        _maxRunning = maxRunning;
        Scheduler = new Scheduler(_blocks, tokensPerStep, maxRunning);
    }

    public Scheduler Scheduler { get; }

    public BlockManager Blocks => _blocks;

    /// <summary>Samples of each request, in the order of their making.</summary>
    public Dictionary<TestRequest, List<Sequence>> Samples { get; } = [];

    /// <summary>How many samples had no seat when they were made.</summary>
    public int ForksThatWaited { get; private set; }

    /// <summary>What the null model answers when it is asked alone.</summary>
    public static int[] Alone(TestRequest request, int sample)
    {
        ulong state = 0;
        foreach (int token in request.Prompt)
        {
            state = NullModelRunner.Next(state, token, AttentionForm.Expanded);
        }

        List<int> answer = [];
        while (answer.Count < request.MaxNew)
        {
            int token = (NullModelRunner.Choose(state, Vocabulary) + sample) % Vocabulary;
            answer.Add(token);
            if (token == EndToken)
            {
                break;
            }

            state = NullModelRunner.Next(state, token, AttentionForm.Absorbed);
        }

        return [.. answer];
    }

    /// <summary>Serves requests; the first of each arrival step's list first.</summary>
    public void Serve(IReadOnlyList<TestRequest> requests)
    {
        int work = requests.Sum(r => r.Samples * (r.Prompt.Length + r.MaxNew));
        for (int step = 0; Scheduler.RunningCount + Scheduler.WaitingCount > 0 || requests.Any(r => r.Arrival >= step); step++)
        {
            // Each step the first sequence in order does some work that is never lost to another, so this bound is generous.
            Assert.True(step <= 100 + (work * 10), "it does not end");
            foreach (TestRequest request in requests.Where(r => r.Arrival == step))
            {
                Sequence sequence = new(request.Prompt, request.MaxNew, _blocks.TokensPerBlock) { Priority = request.Priority, Samples = request.Samples };
                Samples.Add(request, [sequence]);
                Scheduler.Submit(sequence);
            }

            foreach (TestRequest request in requests.Where(r => r.CancelAt == step && Samples.ContainsKey(r)))
            {
                foreach (Sequence sequence in Samples[request].Where(s => s.Status != SequenceStatus.Finished))
                {
                    int alone = sequence.Blocks.ToArray().Count(block => _blocks.References(block) == 1);
                    int available = _blocks.Available;
                    Scheduler.Finish(sequence);
                    Assert.Equal(available + alone, _blocks.Available);
                }
            }

            Step();
        }
    }

    /// <summary>One step.</summary>
    public StepPlan Step()
    {
        List<Sequence> generating = [.. Running().Where(s => s.Remaining == 1)];
        Dictionary<Sequence, (int Priority, int Need, long Arrival)> needs = Of(SequenceStatus.Running, SequenceStatus.Waiting).ToDictionary(s => s, s => (s.Priority, s.Need, s.Arrival));
        HashSet<Sequence> waiting = [.. Of(SequenceStatus.Waiting)];
        long preemptions = Scheduler.Preemptions;
        StepPlan plan = Scheduler.Schedule();
        Dictionary<Sequence, int> given = Check(plan, generating, Scheduler.Preemptions > preemptions);
        if (Scheduler.Preemptions == preemptions)
        {
            CheckShares(plan, [.. Running().Except(generating)], waiting, needs, given);
        }

        if (plan.Entries.IsEmpty)
        {
            Assert.Equal(0, Scheduler.RunningCount + Scheduler.WaitingCount);
            return plan;
        }

        TensorView logits = _runner.Run(plan);
        Assert.Equal(plan.LogitRows, logits.Rows);
        StepEntry[] entries = plan.Entries.ToArray();
        Scheduler.Complete();
        foreach (StepEntry entry in entries.Where(e => e.Logits > 0))
        {
            int best = logits.RowF32(entry.LogitRow + entry.Logits - 1).IndexOf(1);
            List<Sequence> samples = Samples.Values.First(list => list.Contains(entry.Sequence));
            while (samples.Count < entry.Sequence.Samples)
            {
                samples.Add(Scheduler.Fork(entry.Sequence));
                ForksThatWaited += samples[^1].Status == SequenceStatus.Waiting ? 1 : 0;
                Take(samples[^1], best, samples.Count - 1);
            }

            Take(entry.Sequence, best, samples.IndexOf(entry.Sequence));
        }

        return plan;
    }

    public void Dispose() => _runner.Dispose();

    private IEnumerable<Sequence> Running() => Of(SequenceStatus.Running);

    private IEnumerable<Sequence> Of(params SequenceStatus[] statuses) => Samples.Values.SelectMany(list => list).Where(s => statuses.Contains(s.Status));

    private void Take(Sequence sequence, int best, int sample)
    {
        int token = (best + sample) % Vocabulary;
        sequence.Append(token);
        if (token == EndToken || sequence.Count == sequence.Capacity)
        {
            Scheduler.Finish(sequence);
        }
    }

    /// <returns>How many tokens each sequence got.</returns>
    private Dictionary<Sequence, int> Check(StepPlan plan, List<Sequence> generating, bool preempted)
    {
        Assert.True(plan.Tokens <= _tokensPerStep);
        Assert.True(Scheduler.RunningCount <= _maxRunning);
        Assert.Equal(Running().Count(), Scheduler.RunningCount);
        int tokens = 0;
        int rows = 0;
        Dictionary<Sequence, int> next = [];
        HashSet<int> written = [];
        foreach (StepEntry entry in plan.Entries)
        {
            Sequence sequence = entry.Sequence;
            Assert.Equal(SequenceStatus.Running, sequence.Status);
            Assert.Equal(next.GetValueOrDefault(sequence, sequence.Computed), entry.First);
            next[sequence] = entry.First + entry.Count;
            Assert.True(entry.Count > 0 && next[sequence] <= sequence.Count);
            Assert.Equal(entry.Form, sequence.Form(entry.First));
            Assert.Equal(entry.Form, sequence.Form(next[sequence] - 1));
            Assert.Equal(next[sequence] == sequence.Count ? 1 : 0, entry.Logits);
            Assert.Equal(rows, entry.LogitRow);
            rows += entry.Logits;
            tokens += entry.Count;
            Assert.True(next[sequence] <= sequence.Blocks.Length * _blocks.TokensPerBlock);
            for (int p = entry.First; p < next[sequence]; p++)
            {
                int block = sequence.Blocks[p / _blocks.TokensPerBlock];
                Assert.Equal(1, _blocks.References(block));
                Assert.True(written.Add((block * _blocks.TokensPerBlock) + (p % _blocks.TokensPerBlock)));
            }
        }

        Assert.Equal(tokens, plan.Tokens);
        Assert.Equal(rows, plan.LogitRows);

        // Who generates goes on in every step, unless it loses its blocks to one that comes before it.
        foreach (Sequence stopped in generating.Where(s => !next.ContainsKey(s)))
        {
            Assert.True(preempted);
            Assert.Equal(SequenceStatus.Waiting, stopped.Status);
            Assert.All(generating.Where(next.ContainsKey), s => Assert.True(s.Order.CompareTo(stopped.Order) < 0));
        }

        return next.ToDictionary(pair => pair.Key, pair => pair.Value - pair.Key.Computed);
    }

    /// <summary>The first prompt has half of what the others leave, the rest goes to those that need least; nobody else overtakes, and no token is lost.</summary>
    private void CheckShares(
        StepPlan plan, Sequence[] prompts, HashSet<Sequence> waited, Dictionary<Sequence, (int Priority, int Need, long Arrival)> needs, Dictionary<Sequence, int> given)
    {
        int rest = _tokensPerStep - given.Where(pair => !prompts.Contains(pair.Key)).Sum(pair => pair.Value);
        Sequence? first = prompts.MinBy(s => s.Order);
        Sequence[] waiting = [.. waited.Where(s => s.Status == SequenceStatus.Waiting)];
        if (first is not null && !waiting.Any(s => s.Order.CompareTo(first.Order) < 0))
        {
            Assert.True(given.GetValueOrDefault(first) >= Math.Min(first.Remaining, (rest + 1) / 2));
        }

        // What the first one needs is known better once it is admitted, which is before the others are looked at.
        Sequence[] others = [.. prompts.Where(s => s != first || !waited.Contains(s))];
        foreach (Sequence other in others.Where(s => s != first && given.ContainsKey(s)))
        {
            Assert.All(others.Where(s => needs[s].CompareTo(needs[other]) < 0), s => Assert.Equal(s.Remaining, given.GetValueOrDefault(s)));
        }

        foreach (Sequence admitted in prompts.Where(waited.Contains))
        {
            Assert.All(waiting.Where(s => s.Order.CompareTo(admitted.Order) < 0), s => Assert.True(needs[s].CompareTo(needs[admitted]) > 0));
        }

        Assert.True(plan.Tokens == _tokensPerStep || prompts.All(s => given.GetValueOrDefault(s) == s.Remaining));
    }
}
