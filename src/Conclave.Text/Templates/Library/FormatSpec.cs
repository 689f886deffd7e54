using System.Globalization;
using System.Numerics;
using System.Text;

namespace Conclave.Text;

/// <summary>Python's format specification: <c>[[fill]align][sign][z][#][0][width][grouping][.precision][type]</c>.</summary>
internal sealed class FormatSpec
{
    private string _fill = " ";
    private char _align;
    private char _sign = '-';
    private bool _alternate;
    private int _width = -1;
    private char _grouping;
    private int _precision = -1;
    private char _type;

    public static string Apply(RenderState state, Value value, string specification)
    {
        if (value is not (StringValue or IntegerValue or BooleanValue or FloatValue))
        {
            return specification.Length == 0
                ? value.ToText(state)
                : throw TemplateErrors.Type($"unsupported format string passed to {value.TypeName}.__format__");
        }

        if (specification.Length == 0)
        {
            return value.ToText(state);
        }

        FormatSpec spec = Parse(specification, value);
        if (value is StringValue text)
        {
            return spec.FormatText(state, text);
        }

        return value.TryInteger(out BigInteger? number) && !"eEfFgG%".Contains(spec._type, StringComparison.Ordinal)
            ? spec.FormatInteger(state, value, number.Value)
            : spec.FormatFloat(state, value, Operators.ToDouble(value));
    }

    private static FormatSpec Parse(string text, Value value)
    {
        FormatSpec spec = new();
        int position = 0;
        int first = StringValue.Width(text, 0);
        bool hasFill = first < text.Length && text[first] is '<' or '>' or '=' or '^';
        if (hasFill)
        {
            spec._fill = text[..first];
            spec._align = text[first];
            position = first + 1;
        }
        else if (text[0] is '<' or '>' or '=' or '^')
        {
            spec._align = text[0];
            position = 1;
        }

        if (Take("+- ") is { } sign)
        {
            spec._sign = sign;
        }

        spec._alternate = Take("#") is not null;
        if (Take("0") is not null && !hasFill)
        {
            spec._fill = "0";
            spec._align = spec._align != 0 ? spec._align : value is StringValue ? '<' : '=';
        }

        spec._width = Number();
        spec._grouping = Take(",_") ?? '\0';
        if (Take(".") is not null)
        {
            spec._precision = Number();
            if (spec._precision < 0)
            {
                throw TemplateErrors.Value("Format specifier missing precision");
            }
        }

        if (position < text.Length)
        {
            spec._type = text[position++];
        }

        return position == text.Length ? spec : throw TemplateErrors.Value(
            $"Invalid format specifier '{text}' for object of type '{value.TypeName}'");

        char? Take(string set) => position < text.Length && set.Contains(text[position], StringComparison.Ordinal) ? text[position++] : null;

        int Number()
        {
            int start = position;
            while (position < text.Length && char.IsAsciiDigit(text[position]))
            {
                position++;
            }

            if (start == position)
            {
                return -1;
            }

            return int.TryParse(text.AsSpan(start, position - start), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                ? number
                : throw TemplateErrors.Value("Too many decimal digits in format string");
        }
    }

    private string FormatText(RenderState state, StringValue value)
    {
        if (_type is not ('\0' or 's'))
        {
            throw Unknown(value);
        }

        if (_sign != '-')
        {
            throw TemplateErrors.Value("Sign not allowed in string format specifier");
        }

        if (_align == '=')
        {
            throw TemplateErrors.Value("'=' alignment not allowed in string format specifier");
        }

        StringValue text = _precision >= 0 && _precision < value.Count ? new StringValue(value.Part(0, _precision)) : value;
        return Pad(state, text.Text, "", _align == '\0' ? '<' : _align);
    }

    private string FormatInteger(RenderState state, Value value, BigInteger number)
    {
        if (_precision >= 0)
        {
            throw TemplateErrors.Value("Precision not allowed in integer format specifier");
        }

        BigInteger magnitude = BigInteger.Abs(number);
        (string prefix, string digits, int group) = _type switch
        {
            '\0' or 'd' or 'n' => ("", IntegerValue.Digits(magnitude), 3),
            'x' => ("0x", Radix(magnitude, 4), 4),
            'X' => ("0X", Radix(magnitude, 4).ToUpperInvariant(), 4),
            'o' => ("0o", Radix(magnitude, 3), 4),
            'b' => ("0b", Radix(magnitude, 1), 4),
            'c' when number >= 0 && Rune.IsValid((int)BigInteger.Min(number, int.MaxValue)) => ("", new Rune((int)number).ToString(), 0),
            'c' => throw TemplateErrors.Overflow("%c arg not in range(0x110000)"),
            _ => throw Unknown(value),
        };
        string sign = SignOf(number.Sign < 0) + (_alternate ? prefix : "");
        return Pad(state, Group(state, digits, group, sign.Length), sign, _align == '\0' ? '>' : _align);
    }

    private string FormatFloat(RenderState state, Value value, double number)
    {
        double magnitude = Math.Abs(number);
        string text = _type switch
        {
            '\0' when _precision < 0 => FloatText.Repr(magnitude),
            '\0' => Shortened(state, magnitude),
            'e' or 'E' or 'f' or 'F' or 'g' or 'G' => FloatFormat.Format(state, magnitude, _type, _precision < 0 ? 6 : _precision, _alternate),
            'n' => FloatFormat.Format(state, magnitude, 'g', _precision < 0 ? 6 : _precision, _alternate),
            '%' => FloatFormat.Format(state, magnitude * 100, 'f', _precision < 0 ? 6 : _precision, _alternate) + "%",
            _ => throw Unknown(value),
        };
        int whole = 0;
        while (whole < text.Length && char.IsAsciiDigit(text[whole]))
        {
            whole++;
        }

        string sign = SignOf(double.IsNegative(number) && !double.IsNaN(number));
        string grouped = Group(state, text[..whole], 3, sign.Length + text.Length - whole);
        return Pad(state, grouped + text[whole..], sign, _align == '\0' ? '>' : _align);
    }

    // Without a type a precision counts digits as "g" does, but one digit stays after the point.
    private string Shortened(RenderState state, double magnitude)
    {
        int precision = Math.Max(1, _precision);
        string text = FloatFormat.Format(state, magnitude, 'g', precision, _alternate);
        int exponent = magnitude == 0 ? 0 : FloatText.Shortest(magnitude).Exponent;
        if (text.AsSpan().IndexOfAny(".en") >= 0)
        {
            return text;
        }

        return exponent >= precision - 1 && text.Length == precision
            ? FloatFormat.Format(state, magnitude, 'e', precision - 1, _alternate)
            : text + ".0";
    }

    private string SignOf(bool negative) => negative ? "-" : _sign == '-' ? "" : _sign.ToString();

    private string Group(RenderState state, string digits, int size, int around)
    {
        if (_grouping == '\0' || size == 0 || digits.Length == 0)
        {
            return digits;
        }

        // Zeros that fill the width are grouped too; the first character is always a digit.
        int wanted = _align == '=' && _fill == "0" ? Math.Max(0, _width - around) : 0;
        state.CheckLength(wanted);
        digits = digits.PadLeft(wanted - Math.Max(0, wanted - 1) / (size + 1), '0');
        StringBuilder grouped = new();
        for (int i = 0; i < digits.Length; i++)
        {
            if (i > 0 && (digits.Length - i) % size == 0)
            {
                grouped.Append(_grouping);
            }

            grouped.Append(digits[i]);
        }

        return grouped.ToString();
    }

    private string Pad(RenderState state, string text, string sign, char align)
    {
        int length = StringValue.CountCodePoints(text) + sign.Length;
        int missing = Math.Max(0, _width - length);
        state.CheckLength((long)missing * _fill.Length + text.Length + sign.Length);
        string Filling(int count) => string.Concat(Enumerable.Repeat(_fill, count));
        return align switch
        {
            '<' => sign + text + Filling(missing),
            '^' => Filling(missing / 2) + sign + text + Filling(missing - missing / 2),
            '=' => sign + Filling(missing) + text,
            _ => Filling(missing) + sign + text,
        };
    }

    public static string Radix(BigInteger magnitude, int bitsPerDigit)
    {
        byte[] bytes = magnitude.ToByteArray(isUnsigned: true);
        char[] digits = new char[Math.Max(1, ((int)magnitude.GetBitLength() + bitsPerDigit - 1) / bitsPerDigit)];
        for (int i = 0; i < digits.Length; i++)
        {
            int digit = 0;
            for (int bit = 0; bit < bitsPerDigit; bit++)
            {
                int at = i * bitsPerDigit + bit;
                digit |= at < bytes.Length * 8 && (bytes[at / 8] >> at % 8 & 1) != 0 ? 1 << bit : 0;
            }

            digits[^(i + 1)] = "0123456789abcdef"[digit];
        }

        return new string(digits);
    }

    private TemplateException Unknown(Value value) =>
        TemplateErrors.Value($"Unknown format code '{_type}' for object of type '{value.TypeName}'");
}
