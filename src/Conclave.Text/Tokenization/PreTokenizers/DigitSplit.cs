using Conclave.Text.Unicode;

namespace Conclave.Text.Tokenization.PreTokenizers;

/// <summary>"Digits": cuts out runs of digits (any Number of Unicode), or every digit alone.</summary>
internal sealed class DigitSplit(bool individual) : PreTokenizer
{
    private static readonly Lazy<CodePointBitmap> Numbers = new(static () => new CodePointBitmap(UnicodeProperties.Number));

    public override void Apply(PreTokenizedText text)
    {
        CodePointBitmap numbers = Numbers.Value;
        Splitter splitter = new(individual ? SplitBehavior.Isolated : SplitBehavior.Contiguous, invert: false);
        foreach (PreTokenizedText.Piece piece in text.Pieces)
        {
            ReadOnlySpan<int> points = text[piece];
            splitter.Begin(piece.Start);
            for (int i = 0; i < points.Length; i++)
            {
                if (numbers.Contains(points[i]))
                {
                    splitter.AddMatch(piece.Start + i, piece.Start + i + 1);
                }
            }

            splitter.Finish(piece.Start + piece.Length, text);
        }

        text.Commit();
    }
}
