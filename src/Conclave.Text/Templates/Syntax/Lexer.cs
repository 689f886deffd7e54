using System.Globalization;
using System.Numerics;
using System.Text;

namespace Conclave.Text;

/// <summary>
/// Cuts a template into tokens with Jinja's rules for white space: trim_blocks (the first line break after a block or comment is dropped),
/// lstrip_blocks (white space between the start of a line and a block or comment is dropped), "-" (all white space on that side is dropped)
/// and "+" (none is). One line break at the very end of the source is dropped.
/// </summary>
internal sealed class Lexer
{
    private static readonly string[] Operators =
    [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
    ];

    private readonly string _source;
    private readonly string _name;
    private readonly List<Token> _tokens = [];
    private int _position;
    private int _line = 1;

    // A tag that begins where the last one ended stands at the start of a line only if that one took a line break with it.
    private bool _atLineStart = true;

    private Lexer(string source, string name)
    {
        string normalized = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        _source = normalized.EndsWith('\n') ? normalized[..^1] : normalized;
        _name = name;
    }

    public static List<Token> Tokenize(string source, string name)
    {
        Lexer lexer = new(source, name);
        lexer.Run();
        return lexer._tokens;
    }

    private void Run()
    {
        while (_position < _source.Length)
        {
            int tag = NextTag(_position);
            if (tag < 0)
            {
                AddData(_source[_position..]);
                break;
            }

            string text = _source[_position..tag];
            char opening = _source[tag + 1];
            int after = tag + 2;
            char sign = after < _source.Length && _source[after] is '-' or '+' ? _source[after++] : '\0';
            AddData(Trim(text, sign, isVariable: opening == '{'));
            _line += LinesIn(_position, tag);
            _position = after;
            switch (opening)
            {
                case '#':
                    Comment();
                    break;
                case '{':
                    Tag(TokenKind.VariableBegin, TokenKind.VariableEnd, "}}");
                    break;
                default:
                    if (RawEnd(after) is { } content)
                    {
                        Raw(content);
                    }
                    else
                    {
                        Tag(TokenKind.BlockBegin, TokenKind.BlockEnd, "%}");
                    }

                    break;
            }
        }

        _tokens.Add(new Token(TokenKind.End, "", _line));
    }

    private int NextTag(int from)
    {
        for (int i = from; (i = _source.IndexOf('{', i)) >= 0 && i + 1 < _source.Length; i++)
        {
            if (_source[i + 1] is '{' or '%' or '#')
            {
                return i;
            }
        }

        return -1;
    }

    private string Trim(string text, char sign, bool isVariable)
    {
        if (sign == '-')
        {
            return PythonText.Strip(text, null, left: false, right: true);
        }

        if (sign == '+' || isVariable)
        {
            return text;
        }

        int lineStart = text.LastIndexOf('\n') + 1;
        bool isLineStart = lineStart > 0 || _atLineStart;
        return isLineStart && lineStart < text.Length && text[lineStart..].All(PythonText.IsWhite) ? text[..lineStart] : text;
    }

    private void AddData(string text)
    {
        if (text.Length > 0)
        {
            _tokens.Add(new Token(TokenKind.Data, text, _line));
        }
    }

    private void Comment()
    {
        int line = _line;
        int end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Error("Missing end of comment tag", line);
        }

        char sign = end > _position && _source[end - 1] is '-' or '+' ? _source[end - 1] : '\0';
        Leave(end + 2, sign);
    }

    /// <summary>Moves behind the end of a tag and over the white space that goes with it.</summary>
    private void Leave(int end, char sign, bool trimsLine = true)
    {
        if (sign == '-')
        {
            while (end < _source.Length && PythonText.IsWhite(_source[end]))
            {
                end++;
            }
        }
        else if (sign != '+' && trimsLine && end < _source.Length && _source[end] == '\n')
        {
            end++;
        }

        _line += LinesIn(_position, end);
        _atLineStart = end > 0 && _source[end - 1] == '\n';
        _position = end;
    }

    /// <summary>Where the text of a raw block starts, if the tag whose inside starts at <paramref name="position"/> opens one.</summary>
    private int? RawEnd(int position) => TagOfWord(position, "raw") is { } tag && tag.Sign != '+' ? tag.End : null;

    // A tag that holds nothing but one word: where it ends, white space that its sign takes included.
    private (int End, char Sign)? TagOfWord(int position, string word)
    {
        position = SkipWhite(position);
        if (string.CompareOrdinal(_source, position, word, 0, word.Length) != 0)
        {
            return null;
        }

        position = SkipWhite(position + word.Length);
        char sign = position < _source.Length && _source[position] is '-' or '+' ? _source[position++] : '\0';
        if (string.CompareOrdinal(_source, position, "%}", 0, 2) != 0)
        {
            return null;
        }

        position += 2;
        return (sign == '-' ? SkipWhite(position) : position, sign);
    }

    private void Raw(int content)
    {
        int line = _line;
        _line += LinesIn(_position, content);
        _atLineStart = _source[content - 1] == '\n';
        _position = content;
        for (int i = content; (i = _source.IndexOf("{%", i, StringComparison.Ordinal)) >= 0; i++)
        {
            int inside = i + 2;
            char sign = inside < _source.Length && _source[inside] is '-' or '+' ? _source[inside++] : '\0';
            if (TagOfWord(inside, "endraw") is { } tag)
            {
                AddData(Trim(_source[content..i], sign, isVariable: false));
                Leave(tag.End, tag.Sign);
                return;
            }
        }

        throw Error("Missing end of raw directive", line);
    }

    private void Tag(TokenKind begin, TokenKind end, string closing)
    {
        _tokens.Add(new Token(begin, _source[(_position - 2).._position], _line));
        Stack<char> open = new();
        while (true)
        {
            if (_position >= _source.Length)
            {
                return;
            }

            if (open.Count == 0 && TagEnd(closing, allowPlus: end == TokenKind.BlockEnd) is { } length)
            {
                _tokens.Add(new Token(end, closing, _line));
                char sign = length == 3 ? _source[_position] : '\0';
                Leave(_position + length, sign, trimsLine: end == TokenKind.BlockEnd);
                return;
            }

            char unit = _source[_position];
            if (PythonText.IsWhite(unit))
            {
                _line += unit == '\n' ? 1 : 0;
                _position++;
            }
            else if (char.IsAsciiDigit(unit))
            {
                Number();
            }
            else if (unit is '\'' or '"')
            {
                QuotedString(unit);
            }
            else if (IsWordUnit(_position))
            {
                Name();
            }
            else
            {
                Operator(open);
            }
        }
    }

    private int? TagEnd(string closing, bool allowPlus)
    {
        if (string.CompareOrdinal(_source, _position, closing, 0, 2) == 0)
        {
            return 2;
        }

        bool signed = _source[_position] == '-' || (allowPlus && _source[_position] == '+');
        return signed && string.CompareOrdinal(_source, _position + 1, closing, 0, 2) == 0 ? 3 : null;
    }

    private void Name()
    {
        int start = _position;
        while (_position < _source.Length && IsWordUnit(_position))
        {
            _position += StringValue.Width(_source, _position);
        }

        string name = _source[start.._position];
        if (!StringMethods.IsIdentifier(name))
        {
            throw Error("Invalid character in identifier", _line);
        }

        _tokens.Add(new Token(TokenKind.Name, name, _line));
    }

    private bool IsWordUnit(int position)
    {
        Rune.DecodeFromUtf16(_source.AsSpan(position), out Rune rune, out _);
        return rune.Value == '_' || Rune.IsLetterOrDigit(rune) || Rune.IsNumber(rune)
            || Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
            || (rune.Value > 0x7F && Rune.GetUnicodeCategory(rune) == UnicodeCategory.ConnectorPunctuation);
    }

    private void Operator(Stack<char> open)
    {
        string symbol = Array.Find(Operators, o => string.CompareOrdinal(_source, _position, o, 0, o.Length) == 0)
            ?? throw Error($"unexpected char {StringRepr.Quote(_source.Substring(_position, StringValue.Width(_source, _position)))} at {_position}", _line);
        switch (symbol)
        {
            case "{":
                open.Push('}');
                break;
            case "(":
                open.Push(')');
                break;
            case "[":
                open.Push(']');
                break;
            case "}" or ")" or "]":
                if (!open.TryPop(out char expected))
                {
                    throw Error($"unexpected '{symbol}'", _line);
                }

                if (expected != symbol[0])
                {
                    throw Error($"unexpected '{symbol}', expected '{expected}'", _line);
                }

                break;
        }

        _tokens.Add(new Token(TokenKind.Operator, symbol, _line));
        _position += symbol.Length;
    }

    private void QuotedString(char quote)
    {
        int end = _position + 1;
        while (end < _source.Length && _source[end] != quote)
        {
            end += _source[end] == '\\' ? 2 : 1;
        }

        if (end >= _source.Length)
        {
            throw Error($"unexpected char {StringRepr.Quote(quote.ToString())} at {_position}", _line);
        }

        string text = StringEscapes.Unescape(_source[(_position + 1)..end], problem => Error(problem, _line));
        _tokens.Add(new Token(TokenKind.String, text, _line));
        _line += LinesIn(_position, end);
        _position = end + 1;
    }

    private void Number()
    {
        bool afterPoint = _position > 0 && _source[_position - 1] == '.';
        int whole = Digits(_position, 10);
        int end = whole;
        if (!afterPoint)
        {
            int fraction = end < _source.Length && _source[end] == '.' ? Digits(end + 1, 10) : end;
            end = fraction > end + 1 ? fraction : end;
            int exponent = end < _source.Length && _source[end] is 'e' or 'E' ? end + 1 : -1;
            if (exponent > 0)
            {
                exponent += exponent < _source.Length && _source[exponent] is '+' or '-' ? 1 : 0;
                int last = Digits(exponent, 10);
                end = last > exponent ? last : end;
            }
        }

        if (end > whole)
        {
            string digits = _source[_position..end].Replace("_", "", StringComparison.Ordinal);
            AddNumber(TokenKind.Float, new FloatValue(double.Parse(digits, NumberStyles.Float, CultureInfo.InvariantCulture)), end);
            return;
        }

        char prefix = _source[_position] == '0' && _position + 1 < _source.Length ? char.ToLowerInvariant(_source[_position + 1]) : '\0';
        int radix = prefix switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 10 };
        int start = radix == 10 ? _position : _position + 2;
        int first = start + (radix != 10 && start < _source.Length && _source[start] == '_' ? 1 : 0);
        int stop = Digits(first, radix);
        if (radix != 10 && stop == first)
        {
            (radix, start, stop) = (10, _position, _position + 1);
        }

        // A leading zero only begins zeros.
        if (radix == 10 && _source[start] == '0')
        {
            stop = start + 1;
            while (stop < _source.Length && (_source[stop] == '0' || (_source[stop] == '_' && stop + 1 < _source.Length && _source[stop + 1] == '0')))
            {
                stop++;
            }
        }

        BigInteger number = PythonText.ReadInteger(_source[start..stop].TrimStart('_'), radix)
            ?? throw Error("an integer of more than 4300 digits", _line);
        AddNumber(TokenKind.Integer, IntegerValue.Of(number), stop);
    }

    private void AddNumber(TokenKind kind, Value value, int end)
    {
        _tokens.Add(new Token(kind, _source[_position..end], _line, value));
        _position = end;
    }

    // The end of a run of digits with single underscores between them.
    private int Digits(int position, int radix)
    {
        int end = position;
        while (end < _source.Length)
        {
            int digit = end + (_source[end] == '_' && end > position ? 1 : 0);
            bool isDigit = digit < _source.Length && (radix == 16 ? char.IsAsciiHexDigit(_source[digit])
                : _source[digit] >= '0' && _source[digit] < '0' + radix);
            if (!isDigit)
            {
                break;
            }

            end = digit + 1;
        }

        return end;
    }

    private int SkipWhite(int position)
    {
        while (position < _source.Length && PythonText.IsWhite(_source[position]))
        {
            position++;
        }

        return position;
    }

    private int LinesIn(int start, int end) => _source.AsSpan(start, end - start).Count('\n');

    private TemplateException Error(string problem, int line) => SyntaxErrors.At(_name, line, problem);
}
