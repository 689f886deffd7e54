using System.Text;
using Conclave.Text.Patterns;

namespace Conclave.Text.Tokenization.PreTokenizers;

/// <summary>"ByteLevel": puts a space in front, cuts by GPT-2's pattern, and writes every byte of the UTF-8 as a character of the alphabet.</summary>
internal sealed class ByteLevel(bool addPrefixSpace, bool useRegex) : PreTokenizer
{
    private static readonly Lazy<PatternSplit> Gpt2 = new(static () => new PatternSplit(
        new Pattern(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"), SplitBehavior.Isolated, invert: false));

    public override void Apply(PreTokenizedText text)
    {
        if (addPrefixSpace)
        {
            AddPrefixSpaces(text);
        }

        if (useRegex)
        {
            Gpt2.Value.Apply(text);
        }

        ToBytes(text);
    }

    private static void AddPrefixSpaces(PreTokenizedText text)
    {
        int[] buffer = new int[text.Pieces.Sum(static piece => piece.Length + 1)];
        int length = 0;
        foreach (PreTokenizedText.Piece piece in text.Pieces)
        {
            ReadOnlySpan<int> points = text[piece];
            int start = length;
            if (points[0] != ' ')
            {
                buffer[length++] = ' ';
            }

            points.CopyTo(buffer.AsSpan(length));
            length += points.Length;
            text.Add(start, length - start);
        }

        text.Commit(buffer);
    }

    private static void ToBytes(PreTokenizedText text)
    {
        long size = 0;
        foreach (PreTokenizedText.Piece piece in text.Pieces)
        {
            foreach (int point in text[piece])
            {
                size += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
            }
        }

        text.Growth.Check(size);
        int[] buffer = new int[size];
        int length = 0;
        Span<byte> utf8 = stackalloc byte[4];
        foreach (PreTokenizedText.Piece piece in text.Pieces)
        {
            int start = length;
            foreach (int point in text[piece])
            {
                if (point < 0x80)
                {
                    buffer[length++] = ByteAlphabet.Character((byte)point);
                    continue;
                }

                int bytes = new Rune(point).EncodeToUtf8(utf8);
                for (int i = 0; i < bytes; i++)
                {
                    buffer[length++] = ByteAlphabet.Character(utf8[i]);
                }
            }

            text.Add(start, length - start);
        }

        text.Commit(buffer);
    }
}
