using System.Globalization;
using System.Text;

namespace Conclave.Text;

/// <summary>
/// String literals as Jinja reads them, through Python's codec "unicode-escape". The codec sees characters beyond ASCII as escapes already,
/// which shows when a backslash stands before one.
/// </summary>
internal static class StringEscapes
{
    public static string Unescape(string literal, Func<string, TemplateException> error)
    {
        if (!literal.Contains('\\', StringComparison.Ordinal))
        {
            return literal;
        }

        StringBuilder text = new(literal.Length);
        for (int i = 0; i < literal.Length;)
        {
            if (literal[i] != '\\')
            {
                text.Append(literal[i++]);
                continue;
            }

            char escape = literal[i + 1];
            i += 2;
            switch (escape)
            {
                case '\n':
                    break;
                case '\\' or '\'' or '"':
                    text.Append(escape);
                    break;
                case 'a':
                    text.Append('\a');
                    break;
                case 'b':
                    text.Append('\b');
                    break;
                case 'f':
                    text.Append('\f');
                    break;
                case 'n':
                    text.Append('\n');
                    break;
                case 'r':
                    text.Append('\r');
                    break;
                case 't':
                    text.Append('\t');
                    break;
                case 'v':
                    text.Append('\v');
                    break;
                case >= '0' and <= '7':
                    text.Append((char)Octal(literal, i - 1, out i));
                    break;
                case 'x':
                    text.Append((char)Hexadecimal(literal, ref i, 2, "truncated \\xXX escape", error));
                    break;
                case 'u':
                    text.Append((char)Hexadecimal(literal, ref i, 4, "truncated \\uXXXX escape", error));
                    break;
                case 'U':
                    uint code = Hexadecimal(literal, ref i, 8, "truncated \\UXXXXXXXX escape", error);
                    text.Append(Rune.IsValid(code) ? new Rune(code).ToString() : throw error("illegal Unicode character"));
                    break;
                case 'N':
                    throw error("characters by name (\\N{...}) are not supported; write \\uXXXX");
                case > '\x7f':
                    Rune.DecodeFromUtf16(literal.AsSpan(i - 1), out Rune rune, out int width);
                    i += width - 1;
                    text.Append(StringRepr.Escape(rune.Value));
                    break;
                default:
                    text.Append('\\').Append(escape);
                    break;
            }
        }

        string result = text.ToString();
        return HasLoneSurrogate(result) ? throw error("a string with an unpaired surrogate cannot be written out") : result;
    }

    private static int Octal(string literal, int start, out int end)
    {
        int value = 0;
        for (end = start; end < literal.Length && end < start + 3 && literal[end] is >= '0' and <= '7'; end++)
        {
            value = value * 8 + literal[end] - '0';
        }

        return value;
    }

    private static uint Hexadecimal(string literal, ref int position, int digits, string problem, Func<string, TemplateException> error)
    {
        if (position + digits > literal.Length
            || !uint.TryParse(literal.AsSpan(position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value))
        {
            throw error(problem);
        }

        position += digits;
        return value;
    }

    private static bool HasLoneSurrogate(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]))
            {
                if (StringValue.Width(text, i) == 1)
                {
                    return true;
                }

                i++;
            }
        }

        return false;
    }
}
