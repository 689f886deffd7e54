using Conclave.Text.Unicode;

namespace Conclave.Text.Patterns;

/// <summary>The conditions on a place that need no body.</summary>
internal static class PatternAnchors
{
    private static readonly Lazy<CodePointBitmap> Word = new(static () => new CodePointBitmap(UnicodeProperties.WordOutsideClass));

    public static bool Holds(AnchorKind kind, ReadOnlySpan<int> text, int at) => kind switch
    {
        // A newline that ends the text starts no further line.
        AnchorKind.LineStart => at == 0 || (text[at - 1] == '\n' && at < text.Length),
        AnchorKind.LineEnd => at == text.Length || text[at] == '\n',
        AnchorKind.TextStart => at == 0,
        AnchorKind.TextEnd => at == text.Length,
        AnchorKind.TextEndOrLastNewline => at == text.Length || (at == text.Length - 1 && text[at] == '\n'),
        AnchorKind.WordBoundary => IsWord(text, at - 1) != IsWord(text, at),
        _ => IsWord(text, at - 1) == IsWord(text, at),
    };

    private static bool IsWord(ReadOnlySpan<int> text, int at) =>
        at >= 0 && at < text.Length && Word.Value.Contains(text[at]);
}
