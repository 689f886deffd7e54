using Conclave.Primitives;

namespace Conclave.Engine.Scheduling;

/// <summary>
/// Continuous batching: decides for each step which sequences compute how many tokens.
/// <list type="number">
/// <item>Every sequence that generates computes its one token.</item>
/// <item>Waiting sequences are admitted in the order of priority (lower first), then arrival; none overtakes. At most four prompts are under way at a time, and
/// one is only admitted where all of its tokens fit beside what the running ones still need for theirs and one more block for each that may grow. A request with
/// several samples needs one seat: when its prompt is computed, the other samples take the seats that are free, and those for which there is none wait for theirs,
/// without blocks, ahead of all that came later. So nothing is reserved, and nothing that waits keeps others from running.</item>
/// <item>The rest of the step's tokens is split evenly between the prompts under way; what a short one leaves goes to the earliest. So a short prompt
/// behind one to three huge ones gets at least a fourth of this rest at once; behind four it waits until one of these is computed. Of a prompt that
/// needs the logits of all positions a step computes no more than 64.</item>
/// </list>
/// Where blocks run out, the running sequence of the lowest priority, among these the last to arrive, loses its own and waits to be computed again, each position in the
/// form it had. Nobody is preempted to admit another. The first one can take from all others and fits alone, so every sequence ends. For one thread; a step allocates nothing.
/// </summary>
public sealed class Scheduler
{
    private const int MaxPrompts = 4;

    // Logits of a position can take as much memory as half a megabyte; those of a whole step would stay allocated for ever.
    private const int MaxPromptLogits = 64;

    // The median of the conversations in Mooncake's trace (tests/data/traces).
    private const int ExpectedAnswer = 350;
    private static readonly Comparer<Sequence> ByOrder = Comparer<Sequence>.Create((a, b) => a.Order.CompareTo(b.Order));
    private readonly BlockManager _blocks;
    private readonly PriorityQueue<Sequence, (int Priority, long Arrival)> _waiting = new();
    private readonly List<Sequence> _running;
    private readonly StepPlan _plan;
    private readonly int _tokensPerStep;
    private readonly int _maxRunning;
    private long _arrivals;

    /// <summary>Creates a scheduler without sequences.</summary>
    /// <param name="blocks">The blocks of the cache, used by this scheduler alone.</param>
    /// <param name="tokensPerStep">Most tokens of a step, at least <paramref name="maxRunning"/>.</param>
    /// <param name="maxRunning">Most sequences that run at a time.</param>
    /// <exception cref="UserErrorException">A step has no token for each running sequence.</exception>
    public Scheduler(BlockManager blocks, int tokensPerStep, int maxRunning)
    {
        if (maxRunning < 1 || tokensPerStep < maxRunning)
        {
            throw new UserErrorException(
                $"{maxRunning} sequences cannot run with {tokensPerStep} tokens per step; at least one must run, and each needs at least one token");
        }

        _blocks = blocks;
        _tokensPerStep = tokensPerStep;
        _maxRunning = maxRunning;
        _running = new List<Sequence>(maxRunning);
        _plan = new StepPlan(maxRunning);
    }

    /// <summary>The blocks of the cache.</summary>
    public BlockManager Blocks => _blocks;

    /// <summary>Sequences that hold blocks.</summary>
    public int RunningCount => _running.Count;

    /// <summary>Sequences that wait for their turn, preempted ones among them.</summary>
    public int WaitingCount => _waiting.Count;

    /// <summary>
    /// Tokens that all sequences that run or wait have still to compute: of prompts what neither is computed nor was cached when they began to wait, and what their answers will
    /// have. Nobody knows that; 350 more are expected of each that may have so many. Takes time in proportion to the sequences.
    /// </summary>
    public long Work
    {
        get
        {
            long work = 0;
            foreach (Sequence sequence in _running)
            {
                work += sequence.Remaining + Answers(sequence);
            }

            foreach ((Sequence sequence, _) in _waiting.UnorderedItems)
            {
                work += sequence.Count - sequence.CachedTokens + Answers(sequence);
            }

            return work;

            static long Answers(Sequence sequence) => (1L + sequence.PendingForks) * Math.Min(sequence.Capacity - sequence.Count, ExpectedAnswer);
        }
    }

    /// <summary>How often a sequence lost its blocks to another.</summary>
    public long Preemptions { get; private set; }

    /// <summary>Tokens of all sequences when they were first admitted.</summary>
    public long PrefixQueries { get; private set; }

    /// <summary>How many of these the prefix cache had.</summary>
    public long PrefixHits { get; private set; }

    /// <summary>Makes sure that a sequence can run. Any thread may ask.</summary>
    /// <exception cref="UserErrorException">It can never run: it needs more blocks than there are, or has more samples than may run.</exception>
    public void Check(Sequence sequence)
    {
        if (sequence.Samples < 1 || sequence.Samples > _maxRunning)
        {
            throw new UserErrorException($"n: {sequence.Samples} answers were asked; ask for 1 to {_maxRunning}, which is how many may run at a time");
        }

        _blocks.CheckFits(sequence);
    }

    /// <summary>Lets a sequence wait for its turn.</summary>
    /// <exception cref="UserErrorException">It can never run: it needs more blocks than there are, or has more samples than may run.</exception>
    /// <exception cref="InvalidOperationException">It was submitted before.</exception>
    public void Submit(Sequence sequence)
    {
        if (sequence.Arrival != 0 || sequence.Status != SequenceStatus.Waiting)
        {
            throw new InvalidOperationException("the sequence was submitted before");
        }

        Check(sequence);
        sequence.PendingForks = sequence.Samples - 1;
        sequence.Arrival = _arrivals + 1;
        _arrivals += sequence.Samples;
        Enqueue(sequence);
    }

    /// <summary>Plans the next step. Its entries are empty where nothing is left to do. The plan is valid until the next call.</summary>
    public StepPlan Schedule()
    {
        _plan.Clear();
        foreach (Sequence sequence in _running)
        {
            sequence.PlannedTokens = 0;
        }

        long preemptions = Preemptions;
        for (int i = 0; i < _running.Count; i++)
        {
            if (_running[i].Remaining == 1)
            {
                TryPlan(_running[i], 1);
            }
        }

        PlanPrompts(Admit(allowed: Preemptions == preemptions));
        return _plan;
    }

    /// <summary>Records that the plan was computed. Then every sequence whose last token is computed takes a new one, or is finished.</summary>
    public void Complete()
    {
        foreach (ref readonly StepEntry entry in _plan.Entries)
        {
            if (entry.Sequence.Status == SequenceStatus.Running)
            {
                entry.Sequence.Computed += entry.Count;
                _blocks.Register(entry.Sequence);
            }
        }
    }

    /// <summary>
    /// Makes another sample of a sequence whose prompt is computed and that has generated nothing. Its first token comes from the same logits. Where a seat is free
    /// it runs at once and shares the blocks; else it waits for its turn like one that was preempted. Called <see cref="Sequence.Samples"/> − 1 times
    /// before the sequence takes its own first token.
    /// </summary>
    /// <exception cref="InvalidOperationException">The prompt is not computed, something was generated, or all samples are made.</exception>
    public Sequence Fork(Sequence parent)
    {
        Sequence child = parent.Fork();
        if (_running.Count < _maxRunning)
        {
            _blocks.Share(parent, child);
            Start(child);
        }
        else
        {
            Enqueue(child);
        }

        return child;
    }

    /// <summary>Ends a sequence, whatever it is about. Its blocks are available at once.</summary>
    public void Finish(Sequence sequence)
    {
        if (sequence.Status == SequenceStatus.Running)
        {
            Stop(sequence);
        }
        else
        {
            _waiting.Remove(sequence, out _, out _);
        }

        sequence.Status = SequenceStatus.Finished;
    }

    /// <summary>Admits what may be admitted, and counts the prompts under way.</summary>
    private int Admit(bool allowed)
    {
        int prompts = 0;
        int promised = 0;
        foreach (Sequence sequence in _running)
        {
            prompts += IsPrompt(sequence) ? 1 : 0;
            promised += _blocks.CountPromised(sequence);
        }

        while (allowed && prompts < MaxPrompts && _plan.Tokens + prompts < _tokensPerStep && _waiting.TryPeek(out Sequence? next, out _)
            && _running.Count < _maxRunning && Fits(next, _blocks.Available - promised))
        {
            _waiting.Dequeue();
            int reused = _blocks.AttachPrefix(next);
            if (next.Preemptions == 0)
            {
                next.ReusedTokens = reused;
                PrefixQueries += next.Count;
                PrefixHits += reused;
            }

            prompts++;
            promised += _blocks.CountPromised(next);
            next.PlannedTokens = 0;
            Start(next);
        }

        return prompts;
    }

    // Counting takes time for a long prompt; it is done again only when there is room for what it said last.
    private bool Fits(Sequence sequence, int room)
    {
        if (sequence.BlocksNeeded <= room)
        {
            sequence.BlocksNeeded = _blocks.CountNeeded(sequence);
        }

        return sequence.BlocksNeeded <= room;
    }

    private void PlanPrompts(int prompts)
    {
        (int share, int spare) = Math.DivRem(_tokensPerStep - _plan.Tokens, Math.Max(prompts, 1));
        foreach (Sequence sequence in _running)
        {
            spare += IsPrompt(sequence) ? Math.Max(0, share - sequence.Remaining) : 0;
        }

        for (int i = 0; i < _running.Count; i++)
        {
            Sequence sequence = _running[i];
            if (IsPrompt(sequence))
            {
                int most = sequence.NeedsPromptLogits ? MaxPromptLogits : int.MaxValue;
                int tokens = Math.Min(Math.Min(sequence.Remaining, most), share + spare);
                spare -= Math.Max(0, tokens - share);
                i -= TryPlan(sequence, tokens) ? 0 : 1;
            }
        }
    }

    private static bool IsPrompt(Sequence sequence) => sequence is { PlannedTokens: 0, Remaining: > 0 };

    private bool TryPlan(Sequence sequence, int tokens)
    {
        while (!_blocks.TryGrow(sequence, tokens, _plan.CopyList))
        {
            Sequence last = _running.FindLast(other => other.PlannedTokens == 0)!;
            Stop(last);
            last.BlocksNeeded = 0;
            last.Preemptions++;
            Preemptions++;
            Enqueue(last);
            if (last == sequence)
            {
                return false;
            }
        }

        sequence.PlannedTokens = tokens;
        _plan.Add(sequence, tokens);
        return true;
    }

    private void Enqueue(Sequence sequence)
    {
        sequence.CachedTokens = _blocks.CountCached(sequence);
        sequence.Status = SequenceStatus.Waiting;
        _waiting.Enqueue(sequence, sequence.Order);
    }

    private void Start(Sequence sequence)
    {
        _running.Insert(~_running.BinarySearch(sequence, ByOrder), sequence);
        sequence.Status = SequenceStatus.Running;
    }

    private void Stop(Sequence sequence)
    {
        _running.Remove(sequence);
        _blocks.Release(sequence);
    }
}
