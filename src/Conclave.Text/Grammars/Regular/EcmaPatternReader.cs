using System.Globalization;
using System.Text;
using Conclave.Primitives;
using Conclave.Text.Unicode;

namespace Conclave.Text.Grammars;

/// <summary>
/// Reads the regular part of ECMA-262 expressions, as JSON Schema's "pattern" uses them: alternatives, groups, classes, quantifiers, the escapes for characters and sets, \p{…}. '^' and '$' may stand where
/// the text can begin or end, also in groups there; without them a match may begin or end anywhere. Look-around, back references and \b are refused.
/// Some validators count code points, others (.NET's) UTF-16 units. What is read here is valid for both: '.', complements and properties only
/// stand for characters beyond U+FFFF where they are repeated without an upper limit, so that it does not matter how many units one is; \d, \w and \s stand for what ECMA-262 and .NET both take for
/// members, their complements for what neither does (of \W not all of that, but punctuation and symbols).
/// </summary>
internal sealed class EcmaPatternReader
{
    private const int MaxDepth = 50;
    private const int MaxRepeat = 1_000;
    private const int MaxAnchored = 200;

    private static readonly CodePointSet AsciiDigits = CodePointSet.Range('0', '9');
    private static readonly Members Digits = new(AsciiDigits, UnicodeProperties.Digit);

    // Punctuation and symbols as they are written. All that .NET does not count as a word's would be hundreds of ranges, and a grammar of some complements beyond its budget. To say word for the rest is
    // safe, since for ECMA-262 no character beyond ASCII is one: where the two differ, only what holds for words and others alike is left.
    private static readonly CodePointSet Symbols = CodePointSet.UnionOf(
    [
        CodePointSet.Range(0, '/'), CodePointSet.Range(':', '@'), CodePointSet.Range('[', '^'), CodePointSet.Of('`'), CodePointSet.Range('{', 0xA9),
        CodePointSet.Range(0xAB, 0xB4), CodePointSet.Range(0xB6, 0xB9), CodePointSet.Range(0xBB, 0xBF), CodePointSet.Of(0xD7), CodePointSet.Of(0xF7),
        CodePointSet.Range(0x2010, 0x203E), CodePointSet.Range(0x20A0, 0x20BF), CodePointSet.Range(0x2190, 0x2BFF), CodePointSet.Range(0x3000, 0x3004), CodePointSet.Range(0x3008, 0x3020),
        CodePointSet.Range(0xFF01, 0xFF0F), CodePointSet.Range(0xFF1A, 0xFF20), CodePointSet.Range(0xFF3B, 0xFF3E), CodePointSet.Range(0xFF5B, 0xFF65), CodePointSet.Range(0x1F000, 0x1FAFF),
    ]);

    private static readonly Members WordCharacters = new(
        CodePointSet.UnionOf([AsciiDigits, CodePointSet.Range('a', 'z'), CodePointSet.Range('A', 'Z'), CodePointSet.Of('_')]), Symbols.Negate());

    private static readonly CodePointSet CommonSpaces = CodePointSet.UnionOf(
    [
        CodePointSet.Range('\t', '\r'), CodePointSet.Of(' '), CodePointSet.Of(0xA0), CodePointSet.Of(0x1680), CodePointSet.Range(0x2000, 0x200A),
        CodePointSet.Range(0x2028, 0x2029), CodePointSet.Of(0x202F), CodePointSet.Of(0x205F), CodePointSet.Of(0x3000),
    ]);

    // ECMA-262 counts the byte order mark, .NET the next line.
    private static readonly Members Spaces = new(CommonSpaces.Union(CodePointSet.Of(0xFEFF)), CommonSpaces.Union(CodePointSet.Of(0x85)));

    private static readonly CodePointSet LineEnds = CodePointSet.UnionOf(
        [CodePointSet.Of('\n'), CodePointSet.Of('\r'), CodePointSet.Range(0x2028, 0x2029)]);

    private static readonly RegularNode Anything = new RegularNode.Repeat(new RegularNode.Set(CodePointSet.All), 0, -1);
    private static readonly CodePointSet OneUnit = CodePointSet.Range(0, 0xFFFF);

    private readonly int[] _points;
    private int _at;
    private int _depth;
    private int _anchored;

    private readonly bool _portable;

    private EcmaPatternReader(string pattern, bool portable)
    {
        _portable = portable;
        _points = [.. pattern.EnumerateRunes().Select(static rune => rune.Value)];
    }

    private int Current => _at < _points.Length ? _points[_at] : -1;

    /// <summary>An expression that may match anywhere in a text, unless it is anchored: what the whole text may be.</summary>
    /// <exception cref="UserErrorException">The expression is wrong, or uses what is not supported.</exception>
    public static RegularNode Read(string pattern)
    {
        EcmaPatternReader reader = new(pattern, portable: true);
        return reader.Whole(reader.Finish(reader.ReadChoice()), begins: false, ends: false);
    }

    /// <summary>An expression for the whole text, in code points.</summary>
    /// <exception cref="UserErrorException">The expression is wrong, or uses what is not supported.</exception>
    public static RegularNode ReadWhole(string expression)
    {
        EcmaPatternReader reader = new(expression, portable: false);
        return reader.Finish(reader.ReadChoice());
    }

    private RegularNode.Choice Finish(RegularNode.Choice node) => Current < 0 ? node : throw Error("an unmatched ')'");

    // Anything stands before and behind an alternative that no anchor ties to the ends of the text.
    private RegularNode.Choice Whole(RegularNode.Choice choice, bool begins, bool ends) =>
        new([.. choice.Branches.Select(branch => Whole(((RegularNode.Sequence)branch).Items, begins, ends))]);

    private RegularNode Whole(IReadOnlyList<RegularNode> items, bool begins, bool ends)
    {
        int first = 0;
        int last = items.Count;
        for (; first < last && items[first] is RegularNode.Anchor { End: false }; first++)
        {
            begins = true;
        }

        for (; last > first && items[last - 1] is RegularNode.Anchor { End: true }; last--)
        {
            ends = true;
        }

        List<RegularNode> inner = [.. items.Skip(first).Take(last - first)];
        int group = inner.FindIndex(static item => AnchorOf(item) is not null);
        if (group < 0)
        {
            return new RegularNode.Sequence([begins ? RegularNode.Empty : Anything, .. inner, ends ? RegularNode.Empty : Anything]);
        }

        // The alternatives of a group at one of the ends are alternatives of the whole.
        int at = group > 0 ? inner.Count - 1 : 0;
        if (inner[at] is not RegularNode.Choice alternatives || AnchorOf(alternatives) is null)
        {
            throw Error("'^' is supported where the text can begin, '$' where it can end", AnchorOf(inner[group])!.At);
        }

        _anchored += alternatives.Branches.Count;
        return _anchored <= MaxAnchored
            ? Whole(
                new RegularNode.Choice([.. alternatives.Branches.Select(branch => new RegularNode.Sequence([.. inner[..at], .. ((RegularNode.Sequence)branch).Items, .. inner[(at + 1)..]]))]),
                begins,
                ends)
            : throw Error($"more than {MaxAnchored} alternatives in groups with '^' or '$'");
    }

    private static RegularNode.Anchor? AnchorOf(RegularNode node) => node switch
    {
        RegularNode.Anchor anchor => anchor,
        RegularNode.Sequence sequence => sequence.Items.Select(AnchorOf).FirstOrDefault(static anchor => anchor is not null),
        RegularNode.Choice choice => choice.Branches.Select(AnchorOf).FirstOrDefault(static anchor => anchor is not null),
        RegularNode.Repeat repeat => AnchorOf(repeat.Item),
        _ => null,
    };

    private RegularNode.Choice ReadChoice()
    {
        if (++_depth > MaxDepth)
        {
            throw Error($"groups nested more than {MaxDepth} deep");
        }

        List<RegularNode> branches = [ReadSequence()];
        while (TryTake('|'))
        {
            branches.Add(ReadSequence());
        }

        _depth--;
        return new RegularNode.Choice(branches);
    }

    private RegularNode.Sequence ReadSequence()
    {
        List<RegularNode> items = [];
        while (Current is >= 0 and not '|' and not ')')
        {
            items.Add(Current is '^' or '$' ? new RegularNode.Anchor(Current == '$', _at++) : ReadQuantifier(ReadAtom()));
        }

        return new RegularNode.Sequence(items);
    }

    private RegularNode ReadAtom()
    {
        int point = Current;
        switch (point)
        {
            case '(':
                return ReadGroup();
            case '[':
                return new RegularNode.Set(ReadClass());
            case '.':
                _at++;
                return new RegularNode.Set(LineEnds.Negate());
            case '\\':
                return new RegularNode.Set(ReadEscape(insideClass: false, out _).Both);
            case '*' or '+' or '?':
                throw Error("nothing to repeat before the quantifier");
            case '{' or '}' or ']':
                throw Error($"a lone '{(char)point}'; it must be escaped");
            default:
                _at++;
                return new RegularNode.Set(CodePointSet.Of(point));
        }
    }

    private RegularNode.Choice ReadGroup()
    {
        _at++;
        if (TryTake('?'))
        {
            bool named = Current == '<' && _at + 1 < _points.Length && _points[_at + 1] is not ('=' or '!');
            if (named)
            {
                while (Current is >= 0 and not '>')
                {
                    _at++;
                }
            }

            if (!TryTake(named ? '>' : ':'))
            {
                throw Error("look-around and other special groups are not supported");
            }
        }

        RegularNode.Choice content = ReadChoice();
        return TryTake(')') ? content : throw Error("a group that is not closed");
    }

    private RegularNode ReadQuantifier(RegularNode item)
    {
        (int min, int max) = Current switch
        {
            '*' => (0, -1),
            '+' => (1, -1),
            '?' => (0, 1),
            '{' => (-1, -1),
            _ => (1, 1),
        };
        if ((min, max) == (1, 1))
        {
            return Portable(item);
        }

        _at++;
        if (min < 0)
        {
            min = ReadNumber();
            max = min;
            if (TryTake(','))
            {
                max = Current == '}' ? -1 : ReadNumber();
            }

            if (!TryTake('}') || (max >= 0 && max < min))
            {
                throw Error("a quantifier {n}, {n,} or {n,m} with n not above m is expected");
            }
        }

        // Lazy quantifiers match the same texts.
        _ = TryTake('?');
        return Current is '*' or '+' or '?' or '{' ? throw Error("nothing to repeat before the quantifier") : new RegularNode.Repeat(max < 0 ? item : Portable(item), min, max);
    }

    // A set that has surrogates and the last code point is a complement: for a reader of UTF-16 units, a character beyond U+FFFF is two of
    // its members.
    private RegularNode Portable(RegularNode item) =>
        _portable && item is RegularNode.Set { Points: var points } && points.Contains(0xD800) && points.Contains(0x10FFFF) ? new RegularNode.Set(points.Intersect(OneUnit)) : item;

    private int ReadNumber()
    {
        int value = 0;
        int start = _at;
        while (Current is >= '0' and <= '9')
        {
            value = Math.Min((value * 10) + (Current - '0'), MaxRepeat + 1);
            _at++;
        }

        return _at == start ? throw Error("a number is expected")
            : value <= MaxRepeat ? value
            : throw Error($"{string.Concat(_points[start.._at].Select(static digit => (char)digit))} repetitions; at most {MaxRepeat} are supported, or any number of them (* or {{n,}})", start);
    }

    private CodePointSet ReadClass()
    {
        _at++;
        bool negated = TryTake('^');
        List<Members> members = [];
        while (!TryTake(']'))
        {
            Members member = ReadClassMember(out int first);
            if (Current == '-' && _at + 1 < _points.Length && _points[_at + 1] != ']')
            {
                _at++;
                _ = ReadClassMember(out int last);
                member = first >= 0 && last >= first ? Members.Of(CodePointSet.Range(first, last)) : throw Error("a range of characters that runs backwards");
            }

            members.Add(member);
        }

        Members set = Members.UnionOf(members);
        return (negated ? set.Negate() : set).Both;
    }

    // The single character, or -1 for a set.
    private Members ReadClassMember(out int single)
    {
        single = Current;
        if (single < 0)
        {
            throw Error("a character class that is not closed");
        }

        if (single == '\\')
        {
            return ReadEscape(insideClass: true, out single);
        }

        _at++;
        return Members.Of(CodePointSet.Of(single));
    }

    private Members ReadEscape(bool insideClass, out int single)
    {
        _at++;
        int letter = Current;
        _at++;
        single = -1;
        switch (letter)
        {
            case 'd': return Digits;
            case 'D': return Digits.Negate();
            case 'w': return WordCharacters;
            case 'W': return WordCharacters.Negate();
            case 's': return Spaces;
            case 'S': return Spaces.Negate();
            case 'p' or 'P': return Members.Of(ReadProperty(negated: letter == 'P'));
        }

        single = letter switch
        {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\f',
            'v' => '\v',
            '0' when Current is < '0' or > '9' => 0,
            'b' when insideClass => '\b',
            'x' => ReadHex(2),
            'u' => ReadUnicodeEscape(),
            'c' when Current is (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') => _points[_at++] & 31,
            < 0 => throw Error("a backslash at the end"),
            (>= '0' and <= '9') or (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') => throw Error($"'\\{(char)letter}' is not supported"),
            _ => letter,
        };
        return Members.Of(CodePointSet.Of(single));
    }

    private int ReadUnicodeEscape()
    {
        if (TryTake('{'))
        {
            int point = 0;
            while (Current >= 0 && !TryTake('}'))
            {
                point = (point << 4) | ReadHex(1);
                if (point >= CodePointSet.Limit)
                {
                    throw Error("an escape beyond U+10FFFF");
                }
            }

            return point;
        }

        int high = ReadHex(4);
        if (high is < 0xD800 or > 0xDBFF || Current != '\\' || _at + 1 >= _points.Length || _points[_at + 1] != 'u')
        {
            return high;
        }

        _at += 2;
        int low = ReadHex(4);
        return low is >= 0xDC00 and <= 0xDFFF ? char.ConvertToUtf32((char)high, (char)low) : throw Error("a high surrogate without a low one");
    }

    private int ReadHex(int digits)
    {
        int value = 0;
        for (int i = 0; i < digits; i++)
        {
            int digit = Current is >= 0 and < 128 ? "0123456789abcdef".IndexOf(char.ToLowerInvariant((char)Current)) : -1;
            value = digit >= 0 ? (value << 4) | digit : throw Error("a hexadecimal digit is expected");
            _at++;
        }

        return value;
    }

    private CodePointSet ReadProperty(bool negated)
    {
        StringBuilder name = new();
        if (TryTake('{'))
        {
            while (Current is >= 0 and not '}')
            {
                name.Append(new Rune(_points[_at++]).ToString());
            }
        }

        string text = name.ToString();
        if (!TryTake('}') || !UnicodeProperties.TryFind(text[(text.IndexOf('=') + 1)..], out CodePointSet set))
        {
            throw Error($"the Unicode property \"{text}\" is not supported");
        }

        return negated ? set.Negate() : set.Intersect(OneUnit);
    }

    private bool TryTake(int point)
    {
        if (Current != point)
        {
            return false;
        }

        _at++;
        return true;
    }

    private UserErrorException Error(string problem) => Error(problem, _at);

    private static UserErrorException Error(string problem, int at) => new(string.Create(CultureInfo.InvariantCulture, $"{problem} (at character {at})"));

    /// <summary>The members of a set of characters for ECMA-262 and for .NET.</summary>
    private readonly record struct Members(CodePointSet Ecma, CodePointSet DotNet)
    {
        public CodePointSet Both => Ecma.Intersect(DotNet);

        public static Members Of(CodePointSet set) => new(set, set);

        public static Members UnionOf(List<Members> sets) => new(CodePointSet.UnionOf([.. sets.Select(static set => set.Ecma)]), CodePointSet.UnionOf([.. sets.Select(static set => set.DotNet)]));

        public Members Negate() => new(Ecma.Negate(), DotNet.Negate());
    }
}
