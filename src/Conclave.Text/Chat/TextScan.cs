namespace Conclave.Text.Chat;

/// <summary>Looks for markers in text that is still arriving. No answer but <see cref="Match.Undecided"/> depends on where the text was cut.</summary>
internal static class TextScan
{
    /// <summary>White space that is held back, since a marker behind it would make it part of the marker.</summary>
    public const int MaxSpace = 256;

    /// <summary>The longest name of a tool or of an argument.</summary>
    public const int MaxName = 256;

    public static Match StartsWith(ReadOnlySpan<char> text, string marker, bool final) =>
        text.StartsWith(marker) ? Match.Yes
        : !final && text.Length < marker.Length && marker.AsSpan().StartsWith(text) ? Match.Undecided
        : Match.No;

    /// <summary>The first marker in a text, or the end of it that may be the beginning of one; all begin with the same character as the first or the last.</summary>
    /// <returns>Where it is, the text's length if nowhere; which it is, -1 if that is not known yet.</returns>
    public static (int At, int Marker) Find(ReadOnlySpan<char> text, ReadOnlySpan<string> markers, bool final)
    {
        for (int at = 0; at < text.Length; at++)
        {
            int next = text[at..].IndexOfAny(markers[0][0], markers[^1][0]);
            if (next < 0)
            {
                break;
            }

            at += next;
            bool undecided = false;
            for (int i = 0; i < markers.Length; i++)
            {
                Match match = StartsWith(text[at..], markers[i], final);
                if (match == Match.Yes)
                {
                    return (at, i);
                }

                undecided |= match == Match.Undecided;
            }

            if (undecided)
            {
                return (at, -1);
            }
        }

        return (text.Length, -1);
    }

    /// <summary>Passes by white space. Yes: something else follows, or nothing ever will. No: there is too much of it.</summary>
    public static Match SkipSpace(ReadOnlySpan<char> text, ref int at, bool final)
    {
        int start = at;
        while (at < text.Length && char.IsWhiteSpace(text[at]))
        {
            at++;
        }

        return at - start > MaxSpace ? Match.No : at == text.Length && !final ? Match.Undecided : Match.Yes;
    }

    /// <summary>Passes by white space and then a marker.</summary>
    public static Match Skip(ReadOnlySpan<char> text, ref int at, string marker, bool final)
    {
        Match match = SkipSpace(text, ref at, final);
        match = match == Match.Yes ? StartsWith(text[at..], marker, final) : match;
        at += match == Match.Yes ? marker.Length : 0;
        return match;
    }

    /// <summary>Where the white space at the end of a text begins, of which at most <see cref="MaxSpace"/> characters count.</summary>
    public static int BeforeSpace(ReadOnlySpan<char> text) => Math.Max(text.TrimEnd().Length, text.Length - MaxSpace);

    /// <summary>How much of a text's beginning can be a tool's name: letters, digits and what joins them; too much if it is too long.</summary>
    public static int NameLength(ReadOnlySpan<char> text)
    {
        int length = 0;
        while (length < text.Length && length <= MaxName && (char.IsLetterOrDigit(text[length]) || text[length] is '_' or '-' or '.' or ':' or '/' or '$' or '@'))
        {
            length++;
        }

        return length;
    }

    /// <summary>Whether a text can be a tool's name.</summary>
    public static bool IsName(ReadOnlySpan<char> text) => text.Length is > 0 and <= MaxName && NameLength(text) == text.Length;
}
