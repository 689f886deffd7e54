using System.Text;
using Conclave.Text.Unicode;

namespace Conclave.Text.Patterns;

/// <summary>
/// Reads a bracket expression: ranges, escapes, POSIX brackets, nested classes, intersections. '^' binds weakest, then '&amp;&amp;', then
/// neighbours (their union).
/// </summary>
internal sealed class PatternClassParser(PatternParser parser)
{
    private const int MaxDepth = 50;
    private int _depth;

    /// <summary>Parses from '[' up to and with its ']'.</summary>
    public CodePointSet Parse(bool ignoreCase)
    {
        if (++_depth > MaxDepth)
        {
            throw parser.Error($"character classes nested more than {MaxDepth} deep");
        }

        parser.Take();
        bool negated = parser.TryTake('^');
        CodePointSet? intersection = null;
        List<CodePointSet> members = [];
        bool first = true;
        while (true)
        {
            int point = parser.Peek(0);
            if (point < 0)
            {
                throw parser.Error("the character class is not closed");
            }

            if (point == ']' && !(first && ClosesLater()))
            {
                if (first)
                {
                    throw parser.Error("an empty character class");
                }

                parser.Take();
                break;
            }

            first = false;
            if (point == '&' && parser.Peek(1) == '&')
            {
                parser.Take();
                parser.Take();
                intersection = Intersect(intersection, members);
                members = [];
                continue;
            }

            members.Add(ParseItem());
        }

        CodePointSet set = Intersect(intersection, members);
        // Oniguruma folds the outermost class as a whole, not the classes in it: (?i)[[^a]] matches 'a', since [^a] has 'A'.
        set = ignoreCase ? CaseFolding.Close(set) : set;
        _depth--;
        return negated ? set.Negate() : set;
    }

    private static CodePointSet Intersect(CodePointSet? intersection, List<CodePointSet> members)
    {
        CodePointSet union = CodePointSet.UnionOf(members);
        return intersection is null ? union : intersection.Intersect(union);
    }

    // "[]a]": a ']' in front is a member if another one closes the class.
    private bool ClosesLater()
    {
        for (int i = 1; parser.Peek(i) is var point && point >= 0; i++)
        {
            if (point == '\\')
            {
                i++;
            }
            else if (point == ']')
            {
                return true;
            }
        }

        return false;
    }

    private CodePointSet ParseItem()
    {
        if (parser.Peek(0) == '[')
        {
            return parser.Peek(1) == ':' && TryParsePosix() is { } posix ? posix : Parse(ignoreCase: false);
        }

        if (parser.Peek(0) == '\\' && parser.TryTakeSetEscape(insideClass: true, out CodePointSet set))
        {
            return set;
        }

        int first = TakeCharacter();
        // '-' before the end or before another set is a member, not a range.
        if (parser.Peek(0) != '-' || parser.Peek(1) is ']' or '[' or -1 || (parser.Peek(1) == '&' && parser.Peek(2) == '&'))
        {
            return CodePointSet.Of(first);
        }

        parser.Take();
        if (parser.Peek(0) == '\\' && parser.TryTakeSetEscape(insideClass: true, out CodePointSet after))
        {
            return CodePointSet.UnionOf([CodePointSet.Of(first), CodePointSet.Of('-'), after]);
        }

        int last = TakeCharacter();
        return last >= first ? CodePointSet.Range(first, last) : throw parser.Error("a range that runs backwards");
    }

    private int TakeCharacter()
    {
        if (parser.Peek(0) != '\\')
        {
            return parser.Take();
        }

        if (parser.Peek(1) != 'b')
        {
            return parser.TakeCharacterEscape();
        }

        parser.Take();
        parser.Take();
        return '\b';
    }

    private CodePointSet? TryParsePosix()
    {
        StringBuilder name = new();
        int i = 2;
        while (parser.Peek(i) is (>= 'a' and <= 'z') or '^')
        {
            name.Append((char)parser.Peek(i++));
        }

        if (parser.Peek(i) != ':' || parser.Peek(i + 1) != ']')
        {
            return null;
        }

        string text = name.ToString();
        bool negated = text.StartsWith('^');
        string property = negated ? text[1..] : text;
        if (!UnicodeProperties.TryFind(property == "punct" ? "posixpunct" : property, out CodePointSet set))
        {
            throw parser.Error($"unknown POSIX bracket \"{text}\"");
        }

        for (int taken = 0; taken < i + 2; taken++)
        {
            parser.Take();
        }

        return negated ? set.Negate() : set;
    }
}
