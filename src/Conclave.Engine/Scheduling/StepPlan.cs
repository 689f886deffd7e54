using System.Runtime.InteropServices;
using Conclave.Models;

namespace Conclave.Engine.Scheduling;

/// <summary>
/// What one step computes, in the order of its rows: first the copies of blocks, then the entries. A sequence may have two consecutive entries, where it
/// is computed again after a preemption: the end of its prompt and the begin of its answer. The scheduler fills the same plan anew for every step.
/// </summary>
public sealed class StepPlan
{
    private readonly StepEntry[] _entries;
    private readonly List<BlockCopy> _copies;
    private int _count;

    internal StepPlan(int maxSequences)
    {
        _entries = new StepEntry[2 * maxSequences];
        _copies = new List<BlockCopy>(maxSequences);
    }

    /// <summary>What is computed.</summary>
    public ReadOnlySpan<StepEntry> Entries => _entries.AsSpan(0, _count);

    /// <summary>What is copied before anything is computed, in this order.</summary>
    public ReadOnlySpan<BlockCopy> Copies => CollectionsMarshal.AsSpan(_copies);

    /// <summary>Positions of all entries.</summary>
    public int Tokens { get; private set; }

    /// <summary>Rows of logits of all entries.</summary>
    public int LogitRows { get; private set; }

    internal List<BlockCopy> CopyList => _copies;

    internal void Clear()
    {
        // Ended sequences must not be kept alive by an idle scheduler.
        _entries.AsSpan(0, _count).Clear();
        _copies.Clear();
        _count = 0;
        Tokens = 0;
        LogitRows = 0;
    }

    internal void Add(Sequence sequence, int tokens)
    {
        int first = sequence.Computed;
        int end = first + tokens;
        int formEnd = Math.Clamp(sequence.PromptLength, first, end);
        Add(sequence, first, formEnd, sequence.NeedsPromptLogits);
        Add(sequence, formEnd, end, allLogits: false);
    }

    private void Add(Sequence sequence, int first, int end, bool allLogits)
    {
        int count = end - first;
        if (count > 0)
        {
            int last = end == sequence.Count ? 1 : 0;
            int logits = allLogits ? count : last;
            _entries[_count++] = new StepEntry(sequence, first, count, sequence.Form(first), logits, LogitRows);
            Tokens += count;
            LogitRows += logits;
        }
    }
}
