using System.Text;

namespace Conclave.Text.Tokenization;

/// <summary>
/// How many tokens a text has at least, without encoding it: a byte counts as the part that it is of the longest token which has such a byte, so that no token counts as more
/// than one. Only for tokenizers whose tokens are together the bytes of the text.
/// </summary>
internal sealed class FewestTokens
{
    private const int One = 1 << 20;

    private readonly int[] _parts = new int[256];

    public FewestTokens(Vocabulary vocabulary, IEnumerable<AddedToken> added)
    {
        int[] longest = new int[256];
        for (int id = 0; id < vocabulary.Size; id++)
        {
            if (!vocabulary.IsAdded(id))
            {
                string text = vocabulary.Text(id);
                Note([.. text.Select(static c => ByteAlphabet.Byte(c)).Where(static value => value >= 0).Select(static value => (byte)value)], longest);
            }
        }

        foreach (AddedToken token in added)
        {
            Note(Encoding.UTF8.GetBytes(token.Content), longest);
        }

        for (int value = 0; value < _parts.Length; value++)
        {
            _parts[value] = One / Math.Max(1, longest[value]);
        }
    }

    /// <summary>No text has fewer tokens than this.</summary>
    public long Of(ReadOnlySpan<char> text)
    {
        long sum = 0;
        Span<byte> utf8 = stackalloc byte[4];
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (rune.IsAscii)
            {
                sum += _parts[rune.Value];
                continue;
            }

            foreach (byte value in utf8[..rune.EncodeToUtf8(utf8)])
            {
                sum += _parts[value];
            }
        }

        return sum / One;
    }

    private static void Note(ReadOnlySpan<byte> token, int[] longest)
    {
        foreach (byte value in token)
        {
            longest[value] = Math.Max(longest[value], token.Length);
        }
    }
}
