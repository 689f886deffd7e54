using System.Globalization;
using System.Text;

namespace Conclave.Text;

/// <summary>Python's <c>repr</c> of a str.</summary>
internal static class StringRepr
{
    public static void Write(TextBuffer buffer, string text)
    {
        char quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        buffer.Append(quote);
        foreach (Rune rune in text.EnumerateRunes())
        {
            int code = rune.Value;
            if (code == quote || code == '\\')
            {
                buffer.Append('\\');
                buffer.Append((char)code);
            }
            else if (code == '\n')
            {
                buffer.Append("\\n");
            }
            else if (code == '\r')
            {
                buffer.Append("\\r");
            }
            else if (code == '\t')
            {
                buffer.Append("\\t");
            }
            else if (IsPrintable(rune))
            {
                buffer.Append(rune);
            }
            else
            {
                buffer.Append(Escape(code));
            }
        }

        buffer.Append(quote);
    }

    /// <summary>A string as it is quoted in messages.</summary>
    public static string Quote(string text)
    {
        TextBuffer buffer = new(new RenderState(TemplateLimits.Default, TimeProvider.System));
        Write(buffer, text);
        return buffer.ToString();
    }

    /// <summary>Python's <c>str.isprintable</c> of one character.</summary>
    public static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not
        (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.SpaceSeparator);

    /// <summary>A code point as an escape.</summary>
    public static string Escape(int code) => code switch
    {
        < 0x100 => string.Create(CultureInfo.InvariantCulture, $"\\x{code:x2}"),
        < 0x10000 => string.Create(CultureInfo.InvariantCulture, $"\\u{code:x4}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"\\U{code:x8}"),
    };
}
