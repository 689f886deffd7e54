using System.Text;

namespace Conclave.Text.Tokenization;

/// <summary>Text as code points.</summary>
internal static class CodePoints
{
    /// <summary>From UTF-16; a lone surrogate becomes U+FFFD.</summary>
    public static int[] From(ReadOnlySpan<char> text)
    {
        int[] points = new int[text.Length];
        int count = 0;
        while (!text.IsEmpty)
        {
            char c = text[0];
            if (!char.IsSurrogate(c))
            {
                points[count++] = c;
                text = text[1..];
                continue;
            }

            // DecodeFromUtf16 hands out U+FFFD where the pair is broken.
            _ = Rune.DecodeFromUtf16(text, out Rune rune, out int consumed);
            points[count++] = rune.Value;
            text = text[consumed..];
        }

        Array.Resize(ref points, count);
        return points;
    }
}
