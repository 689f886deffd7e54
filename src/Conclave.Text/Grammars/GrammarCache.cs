using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>
/// Grammars by the text that they were made from, so that requests that ask for the same share one, and the masks computed for it with it. Where
/// they take more memory, those that were asked for longest ago are forgotten; the last one stays. Any number of threads may use one.
/// </summary>
/// <param name="capacity">Most bytes that texts, grammars and masks may take together, roughly.</param>
public sealed class GrammarCache(long capacity)
{
    private const int EntryBytes = 1_000;

    private readonly Dictionary<string, LinkedListNode<(string Key, Lazy<Grammar> Grammar)>> _entries = new(StringComparer.Ordinal);
    private readonly LinkedList<(string Key, Lazy<Grammar> Grammar)> _recent = [];
    private readonly Lock _gate = new();

    /// <summary>How many are kept.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>The grammar that a text stands for. It is made once, whoever asks meanwhile waits for it; what cannot be made is not kept.</summary>
    /// <param name="key">Everything that the grammar depends on.</param>
    /// <param name="make">Makes it.</param>
    /// <exception cref="UserErrorException">The grammar cannot be made.</exception>
    public Grammar GetOrAdd(string key, Func<Grammar> make)
    {
        LinkedListNode<(string Key, Lazy<Grammar> Grammar)>? node;
        lock (_gate)
        {
            if (_entries.TryGetValue(key, out node))
            {
                _recent.Remove(node);
            }
            else
            {
                node = new((key, new Lazy<Grammar>(make)));
                _entries.Add(key, node);
            }

            _recent.AddFirst(node);
            Shrink();
        }

        try
        {
            return node.Value.Grammar.Value;
        }
        catch
        {
            lock (_gate)
            {
                if (_entries.TryGetValue(key, out LinkedListNode<(string Key, Lazy<Grammar> Grammar)>? current) && current == node)
                {
                    Remove(node);
                }
            }

            throw;
        }
    }

    // Masks grow while a grammar is in use, so what all take is looked at each time.
    private void Shrink()
    {
        long bytes = _recent.Sum(BytesOf);
        while (bytes > capacity && _recent.Count > 1)
        {
            bytes -= BytesOf(_recent.Last!.Value);
            Remove(_recent.Last!);
        }
    }

    private static long BytesOf((string Key, Lazy<Grammar> Grammar) entry) =>
        EntryBytes + (sizeof(char) * (long)entry.Key.Length) + (entry.Grammar.IsValueCreated ? entry.Grammar.Value.Bytes : 0);

    private void Remove(LinkedListNode<(string Key, Lazy<Grammar> Grammar)> node)
    {
        _recent.Remove(node);
        _entries.Remove(node.Value.Key);
    }
}
