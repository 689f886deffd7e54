using System.Globalization;
using System.Numerics;
using System.Text;

namespace Conclave.Text;

/// <summary>Python's <c>format % values</c>.</summary>
internal sealed class PercentFormat
{
    private readonly RenderState _state;
    private readonly string _format;
    private readonly bool _escapes;
    private readonly Value _values;
    private readonly TextBuffer _output;
    private int _position;
    private int _next;
    private bool _usedMapping;

    private PercentFormat(RenderState state, StringValue format, Value values)
    {
        _state = state;
        _format = format.Text;
        _escapes = format.IsMarkup;
        _values = values;
        _output = new TextBuffer(state);
    }

    public static Value Format(RenderState state, StringValue format, Value values)
    {
        PercentFormat formatter = new(state, format, values);
        formatter.Run();
        return state.Text(formatter._output.ToString(), format.IsMarkup);
    }

    /// <summary>Characters beyond ASCII as escapes, as Python's <c>ascii</c> writes them.</summary>
    public static string ToAscii(string text)
    {
        StringBuilder ascii = new();
        foreach (Rune rune in text.EnumerateRunes())
        {
            int code = rune.Value;
            _ = code < 0x80 ? ascii.Append((char)code) : ascii.Append(StringRepr.Escape(code));
        }

        return ascii.ToString();
    }

    private void Run()
    {
        while (_position < _format.Length)
        {
            char unit = _format[_position++];
            if (unit == '%')
            {
                Conversion();
            }
            else
            {
                _output.Append(unit);
            }
        }

        bool isMapping = _values is not (TupleValue or StringValue) && _values.HasItems;
        bool isExhausted = _values is TupleValue tuple ? _next >= tuple.Items.Count : _next > 0 || _usedMapping || isMapping;
        if (!isExhausted)
        {
            throw TemplateErrors.Type("not all arguments converted during string formatting");
        }
    }

    private void Conversion()
    {
        _state.Step();
        Value? named = null;
        if (Peek() == '(')
        {
            named = Named();
        }

        HashSet<char> flags = [];
        while (Peek() is '-' or '+' or ' ' or '#' or '0')
        {
            flags.Add(_format[_position++]);
        }

        int width = Size(flags);
        int precision = -1;
        if (Peek() == '.')
        {
            _position++;
            precision = Math.Max(0, Size(null));
        }

        while (Peek() is 'h' or 'l' or 'L')
        {
            _position++;
        }

        if (_position >= _format.Length)
        {
            throw TemplateErrors.Value("incomplete format");
        }

        char type = _format[_position++];
        if (type == '%')
        {
            _output.Append('%');
            return;
        }

        Value value = named ?? Next();
        (string sign, string text) = Convert(type, value, flags, precision);
        Pad(sign, text, width, flags, isNumber: !"sracC".Contains(type, StringComparison.Ordinal));
    }

    private Value Named()
    {
        if (_values is TupleValue or StringValue || !_values.HasItems || _values is ListValue)
        {
            throw TemplateErrors.Type("format requires a mapping");
        }

        int depth = 1;
        int start = ++_position;
        while (_position < _format.Length && depth > 0)
        {
            depth += _format[_position++] switch { '(' => 1, ')' => -1, _ => 0 };
        }

        if (depth > 0)
        {
            throw TemplateErrors.Value("incomplete format key");
        }

        _usedMapping = true;
        string key = _format[start..(_position - 1)];
        return _values.Item(_state, new StringValue(key)) ?? throw new TemplateException(TemplateErrorKind.KeyError, StringRepr.Quote(key));
    }

    private int Size(HashSet<char>? flags)
    {
        if (Peek() == '*')
        {
            _position++;
            Value star = Next();
            if (!star.TryInteger(out _))
            {
                throw TemplateErrors.Type("* wants int");
            }

            int size = Arguments.Integer(_state, star);
            if (size < 0)
            {
                flags?.Add('-');
            }

            return Math.Abs(Math.Max(size, -int.MaxValue));
        }

        int start = _position;
        while (char.IsAsciiDigit(Peek()))
        {
            _position++;
        }

        return start == _position ? -1
            : int.TryParse(_format.AsSpan(start, _position - start), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? number
            : throw TemplateErrors.Value(flags is null ? "precision too big" : "width too big");
    }

    private (string Sign, string Text) Convert(char type, Value value, HashSet<char> flags, int precision)
    {
        switch (type)
        {
            case 's':
                return ("", Cut(_escapes ? Html.Escape(_state, value).Text : value.ToText(_state), precision));
            case 'r':
                return ("", Cut(Escape(value.Repr(_state)), precision));
            case 'a':
                return ("", Cut(Escape(ToAscii(value.Repr(_state))), precision));
            case 'c':
                return ("", Character(value));
            case 'd' or 'i' or 'u':
                BigInteger whole = Integer(type, value, floats: true);
                return (Sign(whole.Sign < 0, flags), Digits(IntegerValue.Digits(BigInteger.Abs(whole)), precision));
            case 'x' or 'X' or 'o':
                BigInteger number = Integer(type, value, floats: false);
                string digits = Digits(FormatSpec.Radix(BigInteger.Abs(number), type == 'o' ? 3 : 4), precision);
                string prefix = flags.Contains('#') ? $"0{type}" : "";
                return (Sign(number.Sign < 0, flags) + prefix, type == 'X' ? digits.ToUpperInvariant() : digits);
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                double real = Operators.ToDouble(value);
                bool negative = double.IsNegative(real) && !double.IsNaN(real);
                return (Sign(negative, flags),
                    FloatFormat.Format(_state, Math.Abs(real), type, precision < 0 ? 6 : precision, flags.Contains('#')));
            default:
                throw TemplateErrors.Value(string.Create(
                    CultureInfo.InvariantCulture, $"unsupported format character '{type}' (0x{(int)type:x}) at index {_position - 1}"));
        }
    }

    private string Escape(string text) => _escapes ? Html.Escape(_state, new StringValue(text)).Text : text;

    private string Digits(string digits, int precision)
    {
        _state.CheckLength(precision);
        return precision > digits.Length ? digits.PadLeft(precision, '0') : digits;
    }

    private static string Cut(string text, int precision)
    {
        StringValue whole = new(text);
        return precision >= 0 && precision < whole.Count ? whole.Part(0, precision) : text;
    }

    private static string Character(Value value)
    {
        if (value is StringValue text)
        {
            return text.Count == 1 ? text.Text : throw TemplateErrors.Type("%c requires int or char");
        }

        return !value.TryInteger(out BigInteger? code) ? throw TemplateErrors.Type("%c requires int or char")
            : code.Value >= 0 && code.Value <= 0x10FFFF && Rune.IsValid((int)code.Value) ? new Rune((int)code.Value).ToString()
            : throw TemplateErrors.Overflow("%c arg not in range(0x110000)");
    }

    private static BigInteger Integer(char type, Value value, bool floats)
    {
        if (value.TryInteger(out BigInteger? number))
        {
            return number.Value;
        }

        if (floats && value is FloatValue real)
        {
            return NumberFilters.Truncate(real.Number);
        }

        throw (value.UndefinedError() ?? TemplateErrors.Type(
            $"%{type} format: {(floats ? "a real number" : "an integer")} is required, not {value.TypeName}"));
    }

    private static string Sign(bool negative, HashSet<char> flags) =>
        negative ? "-" : flags.Contains('+') ? "+" : flags.Contains(' ') ? " " : "";

    private void Pad(string sign, string text, int width, HashSet<char> flags, bool isNumber)
    {
        int missing = Math.Max(0, width - sign.Length - StringValue.CountCodePoints(text));
        if (flags.Contains('-'))
        {
            _output.Append(sign);
            _output.Append(text);
            _output.Append(' ', missing);
        }
        else if (flags.Contains('0') && isNumber)
        {
            _output.Append(sign);
            _output.Append('0', missing);
            _output.Append(text);
        }
        else
        {
            _output.Append(' ', missing);
            _output.Append(sign);
            _output.Append(text);
        }
    }

    private Value Next()
    {
        Value? value = _values is TupleValue tuple ? (_next < tuple.Items.Count ? tuple.Items[_next] : null) : _next == 0 ? _values : null;
        _next++;
        return value ?? throw TemplateErrors.Type("not enough arguments for format string");
    }

    private char Peek() => _position < _format.Length ? _format[_position] : '\0';
}
