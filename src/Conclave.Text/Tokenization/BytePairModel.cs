namespace Conclave.Text.Tokenization;

/// <summary>
/// Byte-pair encoding of one piece: it starts as single characters, and as long as neighbours can merge, the pair of lowest rank (the
/// leftmost of equals) becomes one token. O(n log n). Source: Sennrich et al. 2016; Hugging Face tokenizers, models/bpe.
/// </summary>
internal sealed class BytePairModel
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _vocabulary;
    private readonly int _longest;
    private readonly int[] _characters = new int[ByteAlphabet.Limit];
    private readonly MergeTable _merges;
    private readonly bool _wholePieceFirst;
    private readonly int _unknown;
    private readonly bool _fuseUnknown;

    /// <param name="vocabulary">Tokens as the vocabulary writes them.</param>
    /// <param name="merges">What merges.</param>
    /// <param name="wholePieceFirst">A piece that is a token is that token, whatever the merges would make of it.</param>
    /// <param name="unknown">Id for characters without a token, or -1 to leave them out.</param>
    /// <param name="fuseUnknown">Neighbouring unknown characters become one token.</param>
    public BytePairModel(Dictionary<string, int> vocabulary, MergeTable merges, bool wholePieceFirst, int unknown, bool fuseUnknown)
    {
        _vocabulary = vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        _longest = vocabulary.Count == 0 ? 0 : vocabulary.Keys.Max(static token => token.Length);
        _merges = merges;
        _wholePieceFirst = wholePieceFirst;
        _unknown = unknown;
        _fuseUnknown = fuseUnknown;
        for (int c = 0; c < _characters.Length; c++)
        {
            _characters[c] = vocabulary.GetValueOrDefault(((char)c).ToString(), -1);
        }
    }

    /// <summary>Whether no byte of a text is left out or goes into a token for what is unknown.</summary>
    public bool KnowsEveryByte => Enumerable.Range(0, 256).All(value => _characters[ByteAlphabet.Character((byte)value)] >= 0);

    /// <summary>Appends the tokens of a piece (characters of the byte alphabet).</summary>
    public void Encode(ReadOnlySpan<int> piece, BytePairScratch scratch, List<int> ids, CancellationToken cancellation)
    {
        Span<char> text = scratch.Text(piece.Length);
        for (int i = 0; i < piece.Length; i++)
        {
            text[i] = (char)piece[i];
        }

        if (_wholePieceFirst && text.Length <= _longest && _vocabulary.TryGetValue(text, out int whole))
        {
            ids.Add(whole);
            return;
        }

        Span<BytePairScratch.Symbol> symbols = scratch.Symbols(piece.Length);
        int count = Start(text, symbols);
        if (count > 1)
        {
            Merge(text, symbols[..count], scratch, cancellation);
        }

        for (int i = 0; i >= 0 && count > 0; i = symbols[i].Next)
        {
            ids.Add(symbols[i].Id);
        }
    }

    private int Start(ReadOnlySpan<char> text, Span<BytePairScratch.Symbol> symbols)
    {
        int count = 0;
        for (int i = 0; i < text.Length; i++)
        {
            int id = _characters[text[i]];
            bool unknown = id < 0;
            if (unknown)
            {
                if (_unknown < 0)
                {
                    continue;
                }

                if (_fuseUnknown && count > 0 && symbols[count - 1].Unknown)
                {
                    symbols[count - 1].End = i + 1;
                    continue;
                }

                id = _unknown;
            }

            symbols[count] = new BytePairScratch.Symbol { Id = id, Start = i, End = i + 1, Previous = count - 1, Next = count + 1, Unknown = unknown };
            count++;
        }

        if (count > 0)
        {
            symbols[count - 1].Next = -1;
        }

        return count;
    }

    private void Merge(ReadOnlySpan<char> text, Span<BytePairScratch.Symbol> symbols, BytePairScratch scratch, CancellationToken cancellation)
    {
        PriorityQueue<int, ulong> queue = scratch.Queue;
        queue.Clear();
        for (int i = 0; i + 1 < symbols.Length; i++)
        {
            Offer(text, symbols, i, queue);
        }

        while (queue.TryDequeue(out int merged, out ulong top))
        {
            cancellation.ThrowIfCancellationRequested();

            // Entries of pairs that changed meanwhile are still in the queue: one counts only if its pair makes the same token now.
            int left = (int)(uint)top;
            int right = symbols[left].Next;
            if (symbols[left].End < 0 || right < 0 || (int)Find(text, symbols, left, right) != merged)
            {
                continue;
            }

            symbols[left].Id = merged;
            symbols[left].End = symbols[right].End;
            symbols[left].Next = symbols[right].Next;
            symbols[right].End = -1;
            if (symbols[right].Next >= 0)
            {
                symbols[symbols[right].Next].Previous = left;
            }

            if (symbols[left].Previous >= 0)
            {
                Offer(text, symbols, symbols[left].Previous, queue);
            }

            Offer(text, symbols, left, queue);
        }
    }

    private void Offer(
        ReadOnlySpan<char> text, Span<BytePairScratch.Symbol> symbols, int left, PriorityQueue<int, ulong> queue)
    {
        int right = symbols[left].Next;
        long merge = right < 0 ? MergeTable.None : Find(text, symbols, left, right);
        if (merge != MergeTable.None)
        {
            queue.Enqueue((int)merge, ((ulong)merge & 0xFFFFFFFF_00000000) | (uint)left);
        }
    }

    private long Find(ReadOnlySpan<char> text, Span<BytePairScratch.Symbol> symbols, int left, int right) =>
        _merges.Find(text[symbols[left].Start..symbols[right].End], symbols[left].Id, symbols[right].Id);
}
