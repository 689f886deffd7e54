using Conclave.Text.Patterns;

namespace Conclave.Text.Tokenization.PreTokenizers;

/// <summary>"Split": cuts at the matches of a pattern.</summary>
internal sealed class PatternSplit(Pattern pattern, SplitBehavior behavior, bool invert) : PreTokenizer
{
    public override bool KeepsText => behavior != SplitBehavior.Removed;

    public override void Apply(PreTokenizedText text)
    {
        Splitter splitter = new(behavior, invert);
        foreach (PreTokenizedText.Piece piece in text.Pieces)
        {
            ReadOnlySpan<int> points = text[piece];
            splitter.Begin(piece.Start);
            int last = -1;
            while (pattern.TryNext(points, last, text.State, out int start, out int end))
            {
                splitter.AddMatch(piece.Start + start, piece.Start + end);
                last = end;
            }

            splitter.Finish(piece.Start + piece.Length, text);
        }

        text.Commit();
    }
}
