using System.Globalization;
using System.Text;

namespace Conclave.Text;

/// <summary>Python's upper, lower, title, capitalize and their like: full case mappings, final sigma included.</summary>
internal static class CaseMapping
{
    public static string Upper(string text) => Map(text, (builder, _, rune) => AppendUpper(builder, rune));

    public static string Lower(string text) => Map(text, (builder, unit, rune) => AppendLower(builder, text, unit, rune));

    public static string SwapCase(string text) => Map(text, (builder, unit, rune) =>
    {
        if (IsUpper(rune))
        {
            AppendLower(builder, text, unit, rune);
        }
        else if (IsLower(rune))
        {
            AppendUpper(builder, rune);
        }
        else
        {
            Append(builder, rune);
        }
    });

    public static string Capitalize(string text) => Map(text, (builder, unit, rune) =>
    {
        if (unit == 0)
        {
            AppendTitle(builder, rune);
        }
        else
        {
            AppendLower(builder, text, unit, rune);
        }
    });

    /// <summary>Every letter that does not follow a letter is in title case, as <c>str.title</c> has it.</summary>
    public static string Title(string text)
    {
        bool afterCased = false;
        return Map(text, (builder, unit, rune) =>
        {
            if (afterCased)
            {
                AppendLower(builder, text, unit, rune);
            }
            else
            {
                AppendTitle(builder, rune);
            }

            afterCased = IsCased(rune);
        });
    }

    public static string Fold(string text) => Map(text, (builder, _, rune) =>
    {
        if (CaseTables.Upper.TryGetValue(rune.Value, out string? upper))
        {
            builder.Append(Lower(upper));
            return;
        }

        // The dotless i folds to itself although its upper case is I.
        Rune folded = rune.Value == 'ı' || IsUpper(rune) ? Rune.ToLowerInvariant(rune) : Rune.ToLowerInvariant(Rune.ToUpperInvariant(rune));
        Append(builder, IsLower(rune) || IsUpper(rune) ? folded : rune);
    });

    public static bool IsUpper(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.UppercaseLetter
        || rune.Value is (>= 0x2160 and <= 0x216F) or (>= 0x24B6 and <= 0x24CF) or (>= 0x1F130 and <= 0x1F149)
            or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);

    public static bool IsLower(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.LowercaseLetter
        || rune.Value is 0xAA or 0xBA or (>= 0x2B0 and <= 0x2B8) or 0x2C0 or 0x2C1 or (>= 0x2E0 and <= 0x2E4) or 0x345 or 0x37A
            or (>= 0x1D2C and <= 0x1D6A) or 0x1D78 or (>= 0x1D9B and <= 0x1DBF) or 0x2071 or 0x207F or (>= 0x2090 and <= 0x209C)
            or (>= 0x2170 and <= 0x217F) or (>= 0x24D0 and <= 0x24E9) or 0x2C7C or 0x2C7D or 0xA69C or 0xA69D or 0xA770
            or 0xA7F8 or 0xA7F9 or (>= 0xAB5C and <= 0xAB5F);

    public static bool IsTitle(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter;

    public static bool IsCased(Rune rune) => IsUpper(rune) || IsLower(rune) || IsTitle(rune);

    private static string Map(string text, Action<StringBuilder, int, Rune> append)
    {
        StringBuilder builder = new(text.Length);
        int unit = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            append(builder, unit, rune);
            unit += rune.Utf16SequenceLength;
        }

        return builder.ToString();
    }

    private static void AppendUpper(StringBuilder builder, Rune rune)
    {
        if (CaseTables.Upper.TryGetValue(rune.Value, out string? upper))
        {
            builder.Append(upper);
        }
        else
        {
            Append(builder, Rune.ToUpperInvariant(rune));
        }
    }

    private static void AppendTitle(StringBuilder builder, Rune rune)
    {
        if (CaseTables.Title.TryGetValue(rune.Value, out string? title))
        {
            builder.Append(title);
        }
        else if (rune.Value is >= 0x10D0 and <= 0x10FF)
        {
            // Georgian has capitals, but does not begin words with them.
            Append(builder, rune);
        }
        else
        {
            AppendUpper(builder, rune);
        }
    }

    private static void AppendLower(StringBuilder builder, string text, int unit, Rune rune)
    {
        if (rune.Value == 'Σ')
        {
            builder.Append(IsFinal(text, unit) ? 'ς' : 'σ');
        }
        else if (rune.Value == 'İ')
        {
            builder.Append("i\u0307");
        }
        else
        {
            Append(builder, Rune.ToLowerInvariant(rune));
        }
    }

    private static void Append(StringBuilder builder, Rune rune)
    {
        Span<char> units = stackalloc char[2];
        builder.Append(units[..rune.EncodeToUtf16(units)]);
    }

    // A capital sigma is final where a letter stands before it and none after it; marks between do not count.
    private static bool IsFinal(string text, int unit)
    {
        bool before = false;
        for (int i = unit; i > 0;)
        {
            Rune.DecodeLastFromUtf16(text.AsSpan(0, i), out Rune rune, out int width);
            i -= width;
            if (!IsIgnorable(rune))
            {
                before = IsCased(rune);
                break;
            }
        }

        if (!before)
        {
            return false;
        }

        for (int i = unit + 1; i < text.Length;)
        {
            Rune.DecodeFromUtf16(text.AsSpan(i), out Rune rune, out int width);
            i += width;
            if (!IsIgnorable(rune))
            {
                return !IsCased(rune);
            }
        }

        return true;
    }

    private static bool IsIgnorable(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
            or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol
        || rune.Value is '\'' or '.' or ':' or 0xB7 or 0x387 or 0x55F or 0x5F4 or 0x2018 or 0x2019 or 0x2024 or 0x2027 or 0xFE13
            or 0xFE52 or 0xFE55 or 0xFF07 or 0xFF0E or 0xFF1A;
}
