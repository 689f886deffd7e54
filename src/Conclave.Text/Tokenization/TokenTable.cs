using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Conclave.Text.Tokenization;

/// <summary>
/// The tokens of a model and their ids, found by their characters wherever those lie. A dictionary's look-up by span would do the same; its
/// generic code takes longer to compile than a vocabulary of 128,000 tokens takes to read.
/// </summary>
internal sealed class TokenTable
{
    private int[] _buckets;
    private Entry[] _entries;

    /// <param name="capacity">How many tokens there will be, about.</param>
    public TokenTable(int capacity)
    {
        _entries = new Entry[Math.Max(capacity, 16)];
        _buckets = Buckets(_entries.Length);
    }

    /// <summary>How many tokens there are.</summary>
    public int Count { get; private set; }

    /// <summary>Tokens and ids in the order in which they were added.</summary>
    public ReadOnlySpan<Entry> Entries => _entries.AsSpan(0, Count);

    /// <summary>The length of the longest token.</summary>
    public int Longest { get; private set; }

    /// <summary>One more than the highest id.</summary>
    public int IdLimit { get; private set; }

    /// <summary>Adds a token unless it is there.</summary>
    public bool TryAdd(string text, int id)
    {
        if (TryGetValue(text, out _))
        {
            return false;
        }

        if (Count == _entries.Length)
        {
            Grow();
        }

        int hash = string.GetHashCode(text, StringComparison.Ordinal);
        _entries[Count] = new Entry(text, id, hash);
        Link(Count);
        Count++;
        Longest = Math.Max(Longest, text.Length);
        IdLimit = Math.Max(IdLimit, id + 1);
        return true;
    }

    /// <summary>The id of a token.</summary>
    public bool TryGetValue(ReadOnlySpan<char> text, out int id)
    {
        int entry = Find(text);
        id = entry < 0 ? -1 : _entries[entry].Id;
        return entry >= 0;
    }

    /// <summary>
    /// The id of a token that comes soon after another, as a rule: then it is found without a search. <paramref name="place"/> is where that
    /// one was, and becomes where this one is.
    /// </summary>
    public bool TryGetValue(ReadOnlySpan<char> text, ref int place, out int id)
    {
        int entry = place + 1 < Count && text.SequenceEqual(_entries[place + 1].Text) ? place + 1 : Find(text);
        place = entry < 0 ? place : entry;
        id = entry < 0 ? -1 : _entries[entry].Id;
        return entry >= 0;
    }

    private int Find(ReadOnlySpan<char> text)
    {
        // Hashes differ from process to process: no file can make all tokens collide.
        int hash = string.GetHashCode(text, StringComparison.Ordinal);
        int entry = _buckets[hash & (_buckets.Length - 1)] - 1;
        while (entry >= 0 && (_entries[entry].Hash != hash || !text.SequenceEqual(_entries[entry].Text)))
        {
            entry = _entries[entry].Next;
        }

        return entry;
    }

    private static int[] Buckets(int entries) => new int[BitOperations.RoundUpToPowerOf2((uint)entries)];

    private void Grow()
    {
        Array.Resize(ref _entries, checked(2 * _entries.Length));
        _buckets = Buckets(_entries.Length);
        for (int i = 0; i < Count; i++)
        {
            Link(i);
        }
    }

    private void Link(int entry)
    {
        ref int bucket = ref _buckets[_entries[entry].Hash & (_buckets.Length - 1)];
        _entries[entry].Next = bucket - 1;
        bucket = entry + 1;
    }

    /// <summary>A token; <see cref="Next"/> is the one that is looked at after it, or -1.</summary>
    [SuppressMessage("Design", "CA1051", Justification = "Entries are changed where they lie.")]
    internal struct Entry(string text, int id, int hash)
    {
        public readonly string Text = text;
        public readonly int Id = id;
        public readonly int Hash = hash;
        public int Next = -1;
    }
}
