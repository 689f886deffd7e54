namespace Conclave.Text.Tokenization;

/// <summary>Memory that encoding one piece after the other uses again.</summary>
internal sealed class BytePairScratch
{
    private char[] _text = new char[64];
    private Symbol[] _symbols = new Symbol[64];

    /// <summary>The ids that pairs would become, by rank (upper half), then by place (lower half).</summary>
    public PriorityQueue<int, ulong> Queue { get; } = new();

    public Span<char> Text(int length)
    {
        if (_text.Length < length)
        {
            _text = new char[Math.Max(length, _text.Length * 2)];
        }

        return _text.AsSpan(0, length);
    }

    public Span<Symbol> Symbols(int length)
    {
        if (_symbols.Length < length)
        {
            _symbols = new Symbol[Math.Max(length, _symbols.Length * 2)];
        }

        return _symbols.AsSpan(0, length);
    }

    /// <summary>A token in the making; End is negative once it went into its left neighbour.</summary>
    public struct Symbol
    {
        public int Id;
        public int Start;
        public int End;
        public int Previous;
        public int Next;
        public bool Unknown;
    }
}
