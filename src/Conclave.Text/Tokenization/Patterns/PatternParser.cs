using System.Text;
using Conclave.Primitives;
using Conclave.Text.Unicode;

namespace Conclave.Text.Patterns;

/// <summary>
/// Reads Oniguruma's default (Ruby) syntax: '^' and '$' are at lines, (?m) lets '.' match newlines, {n}+ is not possessive, an isolated
/// (?i) reaches to the end of its group. Back references, calls, conditions and \G, \K, \X are refused. Source: Oniguruma doc/RE.
/// </summary>
internal sealed class PatternParser
{
    private const int MaxDepth = 100;
    private const int MaxStackedQuantifiers = 8;
    private const int MaxRepeat = 100_000;

    private readonly string _pattern;
    private readonly int[] _points;
    private int _at;
    private int _depth;

    private PatternParser(string pattern)
    {
        _pattern = pattern;
        _points = [.. pattern.EnumerateRunes().Select(static rune => rune.Value)];
    }

    private bool AtEnd => _at >= _points.Length;

    private int Current => _points[_at];

    /// <exception cref="UserErrorException">The pattern is not valid, or uses what is not supported.</exception>
    public static PatternNode Parse(string pattern)
    {
        PatternParser parser = new(pattern);
        PatternNode node = parser.ParseChoice(default);
        return parser.AtEnd ? node : throw parser.Error("unmatched ')'");
    }

    private PatternNode ParseChoice(Options options)
    {
        if (++_depth > MaxDepth)
        {
            throw Error($"groups nested more than {MaxDepth} deep");
        }

        List<PatternNode> branches = [ParseSequence(options)];
        while (TryTake('|'))
        {
            branches.Add(ParseSequence(options));
        }

        _depth--;
        return branches.Count == 1 ? branches[0] : new PatternNode.Choice(branches);
    }

    private PatternNode ParseSequence(Options options)
    {
        List<PatternNode> items = [];
        while (!AtEnd && Current != '|' && Current != ')')
        {
            if (options.Extended && SkipExtended())
            {
                continue;
            }

            int start = _at;
            if (!TryTakeOptions(options, out Options changed, out bool isolated))
            {
                items.Add(ParseQuantifiers(ParseAtom(options)));
            }
            else if (isolated)
            {
                items.Add(ParseChoice(changed));
                break;
            }
            else
            {
                items.Add(ParseQuantifiers(Close(ParseChoice(changed), start)));
            }
        }

        return items.Count == 1 ? items[0] : new PatternNode.Sequence(items);
    }

    private bool SkipExtended()
    {
        if (Current is ' ' or '\t' or '\n' or '\r' or '\v' or '\f')
        {
            _at++;
            return true;
        }

        if (Current != '#')
        {
            return false;
        }

        while (!AtEnd && Current != '\n')
        {
            _at++;
        }

        return true;
    }

    // (?imx-imx), or the head of (?imx-imx:…).
    private bool TryTakeOptions(Options options, out Options changed, out bool isolated)
    {
        changed = options;
        isolated = false;
        if (Current != '(' || Peek(1) != '?')
        {
            return false;
        }

        bool on = true;
        for (int i = _at + 2; i < _points.Length; i++)
        {
            switch (_points[i])
            {
                case '-' when on: on = false; break;
                case 'i': changed = changed with { IgnoreCase = on }; break;
                case 'm': changed = changed with { DotAll = on }; break;
                case 'x': changed = changed with { Extended = on }; break;
                case ')' when i > _at + 2: isolated = true; _at = i + 1; return true;
                case ':' when i > _at + 2: _at = i + 1; return true;
                default: return false;
            }
        }

        return false;
    }

    private PatternNode ParseAtom(Options options)
    {
        int point = Current;
        switch (point)
        {
            case '(':
                return ParseGroup(options);
            case '[':
                return new PatternNode.Set(new PatternClassParser(this).Parse(options.IgnoreCase));
            case '.':
                _at++;
                return new PatternNode.Set(options.DotAll ? CodePointSet.All : CodePointSet.Of('\n').Negate());
            case '^':
                _at++;
                return new PatternNode.Anchor(AnchorKind.LineStart);
            case '$':
                _at++;
                return new PatternNode.Anchor(AnchorKind.LineEnd);
            case '\\':
                return ParseEscape(options);
            case '*' or '+' or '?':
                throw Error("nothing to repeat before the quantifier");
            default:
                _at++;
                return Literal(point, options);
        }
    }

    private static PatternNode.Set Literal(int point, Options options)
    {
        CodePointSet set = CodePointSet.Of(point);
        return new PatternNode.Set(options.IgnoreCase ? CaseFolding.Close(set) : set);
    }

    private PatternNode ParseGroup(Options options)
    {
        int start = _at++;
        if (!TryTake('?'))
        {
            return Close(ParseChoice(options), start);
        }

        int kind = AtEnd ? -1 : Current;
        _at++;
        switch (kind)
        {
            case ':':
                return Close(ParseChoice(options), start);
            case '=' or '!':
                return new PatternNode.Look(Close(ParseChoice(options), start), Behind: false, Negative: kind == '!');
            case '>':
                return new PatternNode.Atomic(Close(ParseChoice(options), start));
            case '#':
                while (!AtEnd && Current != ')')
                {
                    _at++;
                }

                return Close(PatternNode.Nothing, start);
            case '<' when !AtEnd && Current is '=' or '!':
                bool negative = Current == '!';
                _at++;
                return new PatternNode.Look(Close(ParseChoice(options), start), Behind: true, negative);
            case '<' or '\'':
                int close = kind == '<' ? '>' : '\'';
                while (!AtEnd && Current != close)
                {
                    _at++;
                }

                Expect(close, "the end of the group's name");
                return Close(ParseChoice(options), start);
            default:
                _at = start;
                throw Error("this kind of group is not supported");
        }
    }

    private PatternNode Close(PatternNode node, int start)
    {
        if (!TryTake(')'))
        {
            _at = start;
            throw Error("the group is not closed");
        }

        return node;
    }

    private PatternNode ParseEscape(Options options)
    {
        int start = _at;
        int letter = Peek(1);
        AnchorKind? anchor = letter switch
        {
            'A' => AnchorKind.TextStart,
            'z' => AnchorKind.TextEnd,
            'Z' => AnchorKind.TextEndOrLastNewline,
            'b' => AnchorKind.WordBoundary,
            'B' => AnchorKind.NotWordBoundary,
            _ => null,
        };
        if (anchor is { } place)
        {
            _at += 2;
            return new PatternNode.Anchor(place);
        }

        switch (letter)
        {
            case 'N':
                _at += 2;
                return new PatternNode.Set(CodePointSet.Of('\n').Negate());
            case 'O':
                _at += 2;
                return new PatternNode.Set(CodePointSet.All);
            case 'R':
                _at += 2;
                CodePointSet newlines = CodePointSet.UnionOf(
                    [CodePointSet.Range('\n', '\r'), CodePointSet.Of(0x85), CodePointSet.Range(0x2028, 0x2029)]);
                return new PatternNode.Atomic(new PatternNode.Choice(
                [
                    new PatternNode.Sequence([new PatternNode.Set(CodePointSet.Of('\r')), new PatternNode.Set(CodePointSet.Of('\n'))]),
                    new PatternNode.Set(newlines),
                ]));
            case >= '1' and <= '9':
                throw Error("back references are not supported");
        }

        if (TryTakeSetEscape(insideClass: false, out CodePointSet set))
        {
            // Ignoring case does not widen a named set that stands alone, only one in a class.
            return new PatternNode.Set(set);
        }

        _at = start;
        return Literal(TakeCharacterEscape(), options);
    }

    private PatternNode ParseQuantifiers(PatternNode atom)
    {
        for (int stacked = 0; !AtEnd; stacked++)
        {
            if (!TryTakeQuantifier(out int minimum, out int maximum, out bool interval))
            {
                break;
            }

            // {n}? is not lazy in this syntax, it is "{n}, or nothing"; {n,m}+ is not possessive, it is a second quantifier.
            bool exact = interval && minimum == maximum;
            bool lazy = !exact && TryTake('?');
            atom = new PatternNode.Repeat(atom, minimum, maximum, lazy);
            if (!interval && !lazy && TryTake('+'))
            {
                atom = new PatternNode.Atomic(atom);
            }

            if (stacked > MaxStackedQuantifiers)
            {
                throw Error("too many quantifiers one after the other");
            }
        }

        return atom;
    }

    private bool TryTakeQuantifier(out int minimum, out int maximum, out bool interval)
    {
        (minimum, maximum, interval) = (0, PatternNode.Unlimited, false);
        switch (Current)
        {
            case '*':
                break;
            case '+':
                minimum = 1;
                break;
            case '?':
                maximum = 1;
                break;
            case '{':
                interval = true;
                return TryTakeInterval(out minimum, out maximum);
            default:
                return false;
        }

        _at++;
        return true;
    }

    // {n}, {n,}, {n,m}, {,m}; anything else is a literal brace.
    private bool TryTakeInterval(out int minimum, out int maximum)
    {
        int start = _at++;
        bool hasMinimum = TryTakeNumber(10, MaxRepeat, 6, out minimum);
        bool hasMaximum = hasMinimum;
        maximum = minimum;
        if (TryTake(','))
        {
            hasMaximum = TryTakeNumber(10, MaxRepeat, 6, out maximum);
            maximum = hasMaximum ? maximum : PatternNode.Unlimited;
        }

        if ((!hasMinimum && !hasMaximum) || !TryTake('}'))
        {
            _at = start;
            return false;
        }

        if (minimum > maximum)
        {
            _at = start;
            throw Error("the least number of repetitions is larger than the greatest");
        }

        return true;
    }

    /// <summary>\d \w \s \h and their complements, \p{…}, \P{…}; false, and nothing taken, where the escape is another.</summary>
    internal bool TryTakeSetEscape(bool insideClass, out CodePointSet set)
    {
        set = CodePointSet.Empty;
        int letter = Peek(1);
        CodePointSet? found = (letter | 0x20) switch
        {
            'd' => UnicodeProperties.Digit,
            'w' => insideClass ? UnicodeProperties.Word : UnicodeProperties.WordOutsideClass,
            's' => UnicodeProperties.Space,
            'h' when UnicodeProperties.TryFind("XDigit", out CodePointSet digits) => digits,
            'p' when Peek(2) == '{' => TakeProperty(),
            _ => null,
        };
        if (found is null)
        {
            return false;
        }

        if ((letter | 0x20) != 'p')
        {
            _at += 2;
        }

        set = letter is >= 'A' and <= 'Z' ? found.Negate() : found;
        return true;
    }

    private CodePointSet TakeProperty()
    {
        int start = _at;
        int close = Array.IndexOf(_points, '}', _at);
        if (close < 0)
        {
            throw Error("the property's name is not closed");
        }

        StringBuilder name = new();
        foreach (int point in _points.AsSpan(_at + 3, close - _at - 3))
        {
            name.Append(new Rune(point));
        }

        string text = name.ToString();
        bool negated = text.StartsWith('^');
        _at = close + 1;
        if (UnicodeProperties.TryFind(negated ? text[1..] : text, out CodePointSet set))
        {
            return negated ? set.Negate() : set;
        }

        _at = start;
        throw Error($"unknown property \"{text}\"");
    }

    /// <summary>The one code point that an escape stands for.</summary>
    internal int TakeCharacterEscape()
    {
        int start = _at;
        int letter = Peek(1);
        _at += 2;
        int value;
        bool valid = true;
        switch (letter)
        {
            case -1: _at = start; throw Error("the pattern ends with a backslash");
            case 't': value = '\t'; break;
            case 'n': value = '\n'; break;
            case 'r': value = '\r'; break;
            case 'f': value = '\f'; break;
            case 'v': value = '\v'; break;
            case 'a': value = '\a'; break;
            case 'e': value = 0x1B; break;
            case 'x' when TryTake('{'):
                valid = TryTakeNumber(16, CodePointSet.Limit - 1, 8, out value) && TryTake('}');
                break;
            case 'o' when TryTake('{'):
                valid = TryTakeNumber(8, CodePointSet.Limit - 1, 11, out value) && TryTake('}');
                break;
            case 'x':
                // Two digits are a byte of the encoding: only ASCII bytes are characters of their own.
                valid = TryTakeNumber(16, 127, 2, out value);
                break;
            case 'u':
                valid = TryTakeNumber(16, 0xFFFF, 4, out value);
                break;
            case '0':
                value = TryTakeNumber(8, 127, 2, out int octal) ? octal : 0;
                break;
            case (>= '1' and <= '9') or (>= 'a' and <= 'z') or (>= 'A' and <= 'Z'):
                _at = start;
                throw Error($"the escape \\{(char)letter} is not supported");
            default: value = letter; break;
        }

        if (!valid || !Rune.IsValid(value))
        {
            _at = start;
            throw Error("not a code point");
        }

        return value;
    }

    private bool TryTakeNumber(int radix, int limit, int digits, out int value)
    {
        value = 0;
        int start = _at;
        while (!AtEnd && _at - start < digits && Digit(Current) is var digit && digit < radix)
        {
            value = (int)Math.Min(((long)value * radix) + digit, int.MaxValue);
            _at++;
        }

        return _at > start && value <= limit;

        static int Digit(int point) => point switch
        {
            >= '0' and <= '9' => point - '0',
            >= 'a' and <= 'f' => point - 'a' + 10,
            >= 'A' and <= 'F' => point - 'A' + 10,
            _ => int.MaxValue,
        };
    }

    internal int Peek(int ahead) => _at + ahead < _points.Length ? _points[_at + ahead] : -1;

    internal bool TryTake(int point)
    {
        if (AtEnd || Current != point)
        {
            return false;
        }

        _at++;
        return true;
    }

    internal int Take() => _points[_at++];

    private void Expect(int point, string what)
    {
        if (!TryTake(point))
        {
            throw Error($"{what} is missing");
        }
    }

    internal UserErrorException Error(string problem) => new($"the pattern \"{_pattern}\" cannot be used: {problem} (at character {_at})");

    private readonly record struct Options(bool IgnoreCase, bool DotAll, bool Extended);
}
