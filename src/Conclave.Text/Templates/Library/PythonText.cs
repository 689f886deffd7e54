using System.Globalization;
using System.Numerics;
using System.Text;

namespace Conclave.Text;

/// <summary>How Python splits, strips and reads strings.</summary>
internal static class PythonText
{
    /// <summary>Python's <c>str.isspace</c> of one character; all of them are in the first plane.</summary>
    public static bool IsWhite(char unit) => unit is (>= '\t' and <= '\r') or (>= '\x1c' and <= ' ') or '\x85' or '\xa0' or '\u1680'
        or (>= '\u2000' and <= '\u200a') or '\u2028' or '\u2029' or '\u202f' or '\u205f' or '\u3000';

    public static bool IsLineBreak(char unit) =>
        unit is (>= '\n' and <= '\r') or (>= '\x1c' and <= '\x1e') or '\x85' or '\u2028' or '\u2029';

    public static string Strip(string text, string? characters, bool left, bool right)
    {
        HashSet<int>? set = characters is null ? null : [.. characters.EnumerateRunes().Select(rune => rune.Value)];
        int start = 0;
        int end = text.Length;
        while (left && start < end)
        {
            Rune.DecodeFromUtf16(text.AsSpan(start, end - start), out Rune rune, out int width);
            if (!Strips(rune))
            {
                break;
            }

            start += width;
        }

        while (right && start < end)
        {
            Rune.DecodeLastFromUtf16(text.AsSpan(start, end - start), out Rune rune, out int width);
            if (!Strips(rune))
            {
                break;
            }

            end -= width;
        }

        return text[start..end];

        bool Strips(Rune rune) => set is null ? rune.IsBmp && IsWhite((char)rune.Value) : set.Contains(rune.Value);
    }

    /// <summary>Words between white space; <paramref name="most"/> is the number of cuts, negative for all.</summary>
    public static List<string> SplitWhite(string text, int most)
    {
        List<string> parts = [];
        int position = SkipWhite(text, 0);
        while (position < text.Length)
        {
            if (most >= 0 && parts.Count == most)
            {
                parts.Add(text[position..]);
                break;
            }

            int end = position;
            while (end < text.Length && !IsWhite(text[end]))
            {
                end++;
            }

            parts.Add(text[position..end]);
            position = SkipWhite(text, end);
        }

        return parts;
    }

    public static List<string> SplitWhiteFromRight(string text, int most)
    {
        List<string> parts = [];
        int end = SkipWhiteBefore(text, text.Length);
        while (end > 0)
        {
            if (most >= 0 && parts.Count == most)
            {
                parts.Add(text[..end]);
                break;
            }

            int start = end;
            while (start > 0 && !IsWhite(text[start - 1]))
            {
                start--;
            }

            parts.Add(text[start..end]);
            end = SkipWhiteBefore(text, start);
        }

        parts.Reverse();
        return parts;
    }

    public static List<string> Split(string text, string separator, int most)
    {
        List<string> parts = [];
        int position = 0;
        while (most < 0 || parts.Count < most)
        {
            int next = text.IndexOf(separator, position, StringComparison.Ordinal);
            if (next < 0)
            {
                break;
            }

            parts.Add(text[position..next]);
            position = next + separator.Length;
        }

        parts.Add(text[position..]);
        return parts;
    }

    public static List<string> SplitFromRight(string text, string separator, int most)
    {
        List<string> parts = [];
        int end = text.Length;
        while (most < 0 || parts.Count < most)
        {
            int start = text.AsSpan(0, end).LastIndexOf(separator, StringComparison.Ordinal);
            if (start < 0)
            {
                break;
            }

            parts.Add(text[(start + separator.Length)..end]);
            end = start;
        }

        parts.Add(text[..end]);
        parts.Reverse();
        return parts;
    }

    public static List<string> SplitLines(string text, bool keepEnds)
    {
        List<string> lines = [];
        int start = 0;
        while (start < text.Length)
        {
            int end = start;
            while (end < text.Length && !IsLineBreak(text[end]))
            {
                end++;
            }

            int next = end < text.Length ? end + 1 : end;
            if (end + 1 < text.Length && text[end] == '\r' && text[end + 1] == '\n')
            {
                next++;
            }

            lines.Add(text[start..(keepEnds ? next : end)]);
            start = next;
        }

        return lines;
    }

    /// <summary>What <c>int(text, radix)</c> reads, or null.</summary>
    public static BigInteger? ReadInteger(string text, int radix)
    {
        // Python refuses longer numbers: reading takes quadratic time.
        if (text.Length > 4300)
        {
            return null;
        }

        string digits = Strip(text, null, left: true, right: true);
        bool negative = digits.StartsWith('-');
        digits = negative || digits.StartsWith('+') ? digits[1..] : digits;
        if (digits.Length > 1 && digits[0] == '0')
        {
            int named = char.ToLowerInvariant(digits[1]) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 };
            if (named != 0 && (radix == named || radix == 0))
            {
                digits = digits[2..];
                radix = named;
                digits = digits.StartsWith('_') ? digits[1..] : digits;
            }
            else if (radix == 0 && Strip(digits, "0_", left: true, right: true).Length > 0)
            {
                return null;
            }
        }

        radix = radix == 0 ? 10 : radix;
        BigInteger number = BigInteger.Zero;
        bool afterDigit = false;
        foreach (Rune rune in digits.EnumerateRunes())
        {
            if (rune.Value == '_' && afterDigit)
            {
                afterDigit = false;
                continue;
            }

            int digit = Digit(rune);
            if (digit < 0 || digit >= radix)
            {
                return null;
            }

            number = number * radix + digit;
            afterDigit = true;
        }

        return !afterDigit ? null : negative ? -number : number;
    }

    /// <summary>What <c>float(text)</c> reads, or null.</summary>
    public static double? ReadFloat(string text)
    {
        string digits = Strip(text, null, left: true, right: true);
        StringBuilder plain = new();
        for (int i = 0; i < digits.Length; i++)
        {
            char unit = digits[i];
            int value = CharUnicodeInfo.GetDecimalDigitValue(unit);
            if (unit == '_')
            {
                if (i == 0 || i + 1 == digits.Length || !char.IsAsciiDigit(digits[i - 1]) || !char.IsAsciiDigit(digits[i + 1]))
                {
                    return null;
                }
            }
            else
            {
                plain.Append(value >= 0 ? (char)('0' + value) : unit);
            }
        }

        string number = plain.ToString();
        string magnitude = number.TrimStart('+', '-').ToLowerInvariant();
        if (number.Length - magnitude.Length <= 1 && magnitude is "inf" or "infinity" or "nan")
        {
            return magnitude == "nan" ? double.NaN : number[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
        }

        bool isNumber = number.Length > 0 && number.All(c => char.IsAsciiDigit(c) || c is '.' or 'e' or 'E' or '+' or '-')
            && double.TryParse(
                number, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent,
                CultureInfo.InvariantCulture, out _);
        return isNumber ? double.Parse(number, NumberStyles.Float, CultureInfo.InvariantCulture) : null;
    }

    private static int Digit(Rune rune)
    {
        if (rune.IsAscii)
        {
            char unit = (char)rune.Value;
            return char.IsAsciiDigit(unit) ? unit - '0' : char.IsAsciiLetter(unit) ? char.ToLowerInvariant(unit) - 'a' + 10 : -1;
        }

        return CharUnicodeInfo.GetDecimalDigitValue(rune.ToString(), 0);
    }

    private static int SkipWhite(string text, int position)
    {
        while (position < text.Length && IsWhite(text[position]))
        {
            position++;
        }

        return position;
    }

    private static int SkipWhiteBefore(string text, int end)
    {
        while (end > 0 && IsWhite(text[end - 1]))
        {
            end--;
        }

        return end;
    }
}
