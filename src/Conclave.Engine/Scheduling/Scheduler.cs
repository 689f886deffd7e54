using Conclave.Primitives;

namespace Conclave.Engine.Scheduling;

/// <summary>
/// Continuous batching: decides for each step which sequences compute how many tokens.
/// <list type="number">
/// <item>Every sequence that generates computes its one token.</item>
/// <item>Of the rest of the step's tokens the first prompt in order, of priority (lower first), then arrival, gets half. What is left goes to prompts by priority, then by
/// how little they need, so that a short one hardly waits and one huge one at most is cut beside the first: each chunk has its price, as it expands its whole context again. Of prompts that
/// need the logits of all positions a step computes no more than 64 positions.</item>
/// <item>These are the prompts under way and the waiting ones, in order, as far as all of their tokens fit beside what the running ones, and the further samples that
/// these will have, still need for theirs and one more block for each: behind one that waits for blocks nobody is admitted. A waiting one is admitted when it gets its
/// first tokens, if a seat is free.</item>
/// <item>A request with several samples needs one seat: when its prompt is computed, the other samples take the seats that are free, and those for which there is
/// none wait for theirs, without blocks, ahead of all that came later. So nothing is reserved, and nothing that waits keeps others from running.</item>
/// </list>
/// Where blocks run out, the running sequence of the lowest priority, among these the last to arrive, loses its own and waits to be computed again, each position in the
/// form it had. Nobody is preempted to admit another. The first one can take from all others and fits alone, so every sequence ends. For one thread; a step allocates nothing.
/// </summary>
public sealed class Scheduler
{
    // Logits of a position can take as much memory as half a megabyte; those of a whole step would stay allocated for ever.
    private const int MaxPromptLogits = 64;

    // The median of the conversations in Mooncake's trace (tests/data/traces).
    private const int ExpectedAnswer = 350;
    private static readonly Comparer<Sequence> ByOrder = Comparer<Sequence>.Create((a, b) => a.Order.CompareTo(b.Order));
    private static readonly Comparison<Sequence> ByNeed = (a, b) => (a.Priority, a.Need, a.Arrival).CompareTo((b.Priority, b.Need, b.Arrival));
    private readonly BlockManager _blocks;
    private readonly List<Sequence> _waiting = [];
    private readonly List<Sequence> _running;
    private readonly List<Sequence> _prompts;
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
        _prompts = new List<Sequence>(maxRunning);
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
                work += sequence.Need + Answers(sequence);
            }

            foreach (Sequence sequence in _waiting)
            {
                work += sequence.Need + Answers(sequence);
            }

            return work;

            static long Answers(Sequence sequence) => (1L + sequence.PendingForks) * Math.Min(sequence.Capacity - sequence.Count, ExpectedAnswer);
        }
    }

    /// <summary>How often a sequence lost its blocks to another.</summary>
    public long Preemptions { get; private set; }

    /// <summary>Tokens of all sequences that may reuse a prefix, when they were first admitted.</summary>
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
            (sequence.Share, sequence.PlannedTokens) = (sequence.Remaining == 1 ? 1 : 0, 0);
        }

        long preemptions = Preemptions;
        PlanShares();
        FindPrompts(admit: Preemptions == preemptions);
        DividePrompts();
        PlanShares();
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
            _waiting.RemoveAt(_waiting.BinarySearch(sequence, ByOrder));
        }

        sequence.Status = SequenceStatus.Finished;
    }

    /// <summary>Finds the prompts that may get tokens of this step.</summary>
    private void FindPrompts(bool admit)
    {
        _prompts.Clear();
        int room = _blocks.Available;
        foreach (Sequence sequence in _running)
        {
            room -= _blocks.CountPromised(sequence) + PromisedToForks(sequence);
            if (sequence is { PlannedTokens: 0, Remaining: > 0 })
            {
                _prompts.Add(sequence);
            }
        }

        for (int i = 0; admit && i < _waiting.Count && _prompts.Count < _maxRunning && Fits(_waiting[i], room); i++)
        {
            room -= _waiting[i].BlocksNeeded + 1 + PromisedToForks(_waiting[i]);
            _prompts.Add(_waiting[i]);
        }
    }

    // Those without a seat take no blocks.
    private int PromisedToForks(Sequence sequence) => Math.Min(sequence.PendingForks, _maxRunning - _running.Count) * _blocks.CountForFork(sequence);

    private void DividePrompts()
    {
        int left = _tokensPerStep - _plan.Tokens;
        int logits = MaxPromptLogits;
        if (_prompts.Count > 0)
        {
            Give(First(_prompts), (left + 1) / 2);
            _prompts.Sort(ByNeed);
        }

        foreach (Sequence sequence in _prompts)
        {
            Give(sequence, left);
        }

        void Give(Sequence sequence, int most)
        {
            if (most == 0 || (sequence.Status == SequenceStatus.Waiting && !TryAdmit(sequence)))
            {
                return;
            }

            int tokens = Math.Min(sequence.Remaining - sequence.Share, most);
            if (sequence.NeedsPromptLogits)
            {
                tokens = Math.Min(tokens, logits);
                logits -= tokens;
            }

            sequence.Share += tokens;
            left -= tokens;
        }
    }

    private static Sequence First(List<Sequence> sequences)
    {
        Sequence first = sequences[0];
        foreach (Sequence sequence in sequences)
        {
            first = ByOrder.Compare(sequence, first) < 0 ? sequence : first;
        }

        return first;
    }

    private bool TryAdmit(Sequence sequence)
    {
        if (_running.Count == _maxRunning)
        {
            return false;
        }

        _waiting.RemoveAt(_waiting.BinarySearch(sequence, ByOrder));
        int reused = _blocks.AttachPrefix(sequence);
        if (sequence.Preemptions == 0)
        {
            sequence.ReusedTokens = reused;
            PrefixQueries += _blocks.MayReuse(sequence) ? sequence.Count : 0;
            PrefixHits += reused;
        }

        (sequence.Share, sequence.PlannedTokens) = (0, 0);
        Start(sequence);
        return true;
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

    // In order, so that whoever loses blocks comes after the one that gets them.
    private void PlanShares()
    {
        for (int i = 0; i < _running.Count; i++)
        {
            if (_running[i] is { PlannedTokens: 0, Share: > 0 } sequence)
            {
                i -= TryPlan(sequence, sequence.Share) ? 0 : 1;
            }
        }
    }

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
        _waiting.Insert(~_waiting.BinarySearch(sequence, ByOrder), sequence);
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
