using Conclave.Text.Unicode;

namespace Conclave.Text.Tokenization;

/// <summary>
/// Cuts added tokens out of a text: of those that begin first, the longest. Source: Hugging Face tokenizers, AddedVocabulary::find_matches.
/// </summary>
internal sealed class AddedTokenMatcher
{
    // What Rust's \w and \s mean for single_word, lstrip and rstrip; \w has the two joiners beyond Oniguruma's.
    private static readonly Lazy<CodePointBitmap> Word = new(static () =>
        new CodePointBitmap(UnicodeProperties.Word.Union(CodePointSet.Range(0x200C, 0x200D))));

    private static readonly Lazy<CodePointBitmap> Space = new(static () => new CodePointBitmap(UnicodeProperties.Space));

    private readonly Node _root = new();

    public AddedTokenMatcher(IEnumerable<(int[] Content, AddedToken Token)> tokens)
    {
        foreach ((int[] content, AddedToken token) in tokens)
        {
            Node node = _root;
            foreach (int point in content)
            {
                node = node.Next.TryGetValue(point, out Node? next) ? next : node.Next[point] = new Node();
            }

            // The first of equal contents wins.
            if (content.Length > 0)
            {
                node.Token ??= token;
            }
        }
    }

    public bool IsEmpty => _root.Next.Count == 0;

    /// <summary>Covers the text with tokens and the stretches between them (Token null).</summary>
    public void Split(ReadOnlySpan<int> text, bool recognizeSpecial, List<Segment> segments)
    {
        int covered = 0;
        int at = 0;
        while (!IsEmpty && TryFind(text, at, out int start, out int end, out AddedToken token))
        {
            at = end;
            if ((token.Special && !recognizeSpecial) || (token.SingleWord && !StandsAlone(text, start, end)))
            {
                continue;
            }

            while (token.LeftStrip && start > covered && Space.Value.Contains(text[start - 1]))
            {
                start--;
            }

            while (token.RightStrip && end < text.Length && Space.Value.Contains(text[end]))
            {
                end++;
            }

            if (covered < start)
            {
                segments.Add(new Segment(covered, start - covered, null));
            }

            segments.Add(new Segment(start, end - start, token));
            covered = end;
        }

        if (covered < text.Length)
        {
            segments.Add(new Segment(covered, text.Length - covered, null));
        }
    }

    private static bool StandsAlone(ReadOnlySpan<int> text, int start, int end) =>
        !(start > 0 && Word.Value.Contains(text[start - 1])) && !(end < text.Length && Word.Value.Contains(text[end]));

    private bool TryFind(ReadOnlySpan<int> text, int from, out int start, out int end, out AddedToken token)
    {
        for (start = from; start < text.Length; start++)
        {
            Node node = _root;
            AddedToken? found = null;
            end = -1;
            for (int at = start; at < text.Length && node.Next.TryGetValue(text[at], out Node? next); at++)
            {
                node = next;
                if (node.Token is not null)
                {
                    found = node.Token;
                    end = at + 1;
                }
            }

            if (found is not null)
            {
                token = found;
                return true;
            }
        }

        (end, token) = (-1, null!);
        return false;
    }

    public readonly record struct Segment(int Start, int Length, AddedToken? Token);

    private sealed class Node
    {
        public Dictionary<int, Node> Next { get; } = [];

        public AddedToken? Token { get; set; }
    }
}
