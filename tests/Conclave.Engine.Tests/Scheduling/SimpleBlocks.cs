using Conclave.Engine.Scheduling;

namespace Conclave.Engine.Tests.Scheduling;

/// <summary>
/// What a block manager should do, in the most direct words: a block's content is a string with all tokens and forms from position 0 on, references are counted by looking
/// at everybody, and everything is searched from one end to the other.
/// </summary>
internal sealed class SimpleBlocks(int total, int tokensPerBlock, bool strict)
{
    /// <summary>A block; its key is null until it is registered.</summary>
    public sealed class Held
    {
        public string? Key { get; set; }
    }

    /// <summary>Registered blocks that nobody holds, oldest first.</summary>
    private readonly List<Held> _unused = [];

    /// <summary>The blocks of each sequence.</summary>
    public Dictionary<Sequence, List<Held>> Tables { get; } = [];

    public int Available => total - InUse.Count;

    public IEnumerable<Held> Registered => InUse.Concat(_unused).Where(held => held.Key is not null);

    private HashSet<Held> InUse => [.. Tables.Values.SelectMany(table => table)];

    /// <summary>The history of a sequence's first positions as it is now in the cache.</summary>
    public string History(Sequence sequence, int positions)
    {
        List<Held> table = Tables[sequence];
        string history = "";
        for (int p = 0; p < positions; p++)
        {
            // A registered block knows how it was computed; in the others this sequence, or one that it was forked from, computed.
            string? key = table[p / tokensPerBlock].Key;
            char form = key is not null ? key[(2 * p) + 1] : p < sequence.PromptLength ? 'E' : 'A';
            history += $"{(char)('a' + sequence.Tokens[p])}{form}";
        }

        return history;
    }

    public int Attach(Sequence sequence)
    {
        List<Held> table = Prefix(sequence);
        Tables[sequence] = table;
        _unused.RemoveAll(table.Contains);
        return table.Count * tokensPerBlock;
    }

    public int CountCached(Sequence sequence) => Prefix(sequence).Count * tokensPerBlock;

    public int CountNeeded(Sequence sequence)
    {
        int held = 0;
        string history = "";
        for (int i = 0; (i + 1) * tokensPerBlock < sequence.Count && Find(sequence, i, history) is { } found; i++)
        {
            held += InUse.Contains(found) ? 1 : 0;
            history = found.Key!;
        }

        return ((sequence.Count + tokensPerBlock - 1) / tokensPerBlock) - held;
    }

    /// <summary>Whether the blocks are given, and whether one is a copy.</summary>
    public (bool Given, bool Copy) Grow(Sequence sequence, int computed, int tokens)
    {
        List<Held> table = Tables[sequence];
        int last = computed / tokensPerBlock;
        bool copy = computed % tokensPerBlock != 0 && Tables.Values.Count(t => t.Contains(table[last])) > 1;
        int more = ((computed + tokens + tokensPerBlock - 1) / tokensPerBlock) - table.Count;
        if (more + (copy ? 1 : 0) > Available)
        {
            return (false, false);
        }

        if (copy)
        {
            table[last] = New();
        }

        for (int i = 0; i < more; i++)
        {
            table.Add(New());
        }

        return (true, copy);
    }

    public void Register(Sequence sequence, int computed)
    {
        List<Held> table = Tables[sequence];
        for (int i = 0; i < computed / tokensPerBlock; i++)
        {
            if (table[i].Key is null)
            {
                string key = History(sequence, (i + 1) * tokensPerBlock);
                Held? same = Registered.FirstOrDefault(held => held.Key == key);
                if (same is null)
                {
                    table[i].Key = key;
                }
                else
                {
                    table[i] = same;
                    _unused.Remove(same);
                }
            }
        }
    }

    public void Release(Sequence sequence)
    {
        List<Held> table = Tables[sequence];
        Tables.Remove(sequence);
        table.Reverse();
        _unused.AddRange(table.Where(held => held.Key is not null && !InUse.Contains(held)));
    }

    private Held New()
    {
        if (InUse.Count + _unused.Count == total)
        {
            _unused.RemoveAt(0);
        }

        return new Held();
    }

    private List<Held> Prefix(Sequence sequence)
    {
        List<Held> table = [];
        string history = "";
        while ((table.Count + 1) * tokensPerBlock < sequence.Count && Find(sequence, table.Count, history) is { } found)
        {
            table.Add(found);
            history = found.Key!;
        }

        return table;
    }

    private Held? Find(Sequence sequence, int block, string history)
    {
        Held? best = null;
        for (int expanded = 0; expanded <= tokensPerBlock; expanded++)
        {
            int wanted = Enumerable.Range(block * tokensPerBlock, tokensPerBlock).Count(p => p < sequence.PromptLength);
            if (expanded == wanted || (!strict && expanded < wanted))
            {
                string key = history + string.Concat(Enumerable.Range(0, tokensPerBlock).Select(
                    i => $"{(char)('a' + sequence.Tokens[(block * tokensPerBlock) + i])}{(i < expanded ? 'E' : 'A')}"));
                best = Registered.FirstOrDefault(held => held.Key == key) ?? best;
            }
        }

        return best;
    }
}
