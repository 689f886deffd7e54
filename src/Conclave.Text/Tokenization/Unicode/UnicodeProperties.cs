using System.Globalization;

namespace Conclave.Text.Unicode;

/// <summary>
/// The sets of code points that a pattern can name with \p{…}: general categories, scripts, and the POSIX names as Oniguruma defines them.
/// The data are Unicode's own (properties.txt says which version), so that results do not change with the .NET runtime.
/// </summary>
internal static class UnicodeProperties
{
    private static readonly Lazy<Dictionary<string, CodePointSet>> Sets = new(Load);

    /// <summary>White_Space: what \s matches.</summary>
    public static CodePointSet Space => Sets.Value["space"];

    /// <summary>\p{Word}, and what \w means inside of a class: Alphabetic, marks, decimal digits, connectors.</summary>
    public static CodePointSet Word => Sets.Value["word"];

    /// <summary>
    /// What \w outside of a class and \b mean: Oniguruma asks its table for Latin-1 there, which counts the other numbers (² ³ ¹ ¼ ½ ¾) too.
    /// </summary>
    public static CodePointSet WordOutsideClass => CodePointSet.UnionOf(
        [Word, CodePointSet.Range(0xB2, 0xB3), CodePointSet.Of(0xB9), CodePointSet.Range(0xBC, 0xBE)]);

    /// <summary>Nd: what \d matches.</summary>
    public static CodePointSet Digit => Sets.Value["digit"];

    /// <summary>Nd, Nl and No: what the Digits pre-tokenizer calls a digit.</summary>
    public static CodePointSet Number => Sets.Value["n"];

    /// <summary>Finds a property by its name; case, spaces, '-' and '_' do not count.</summary>
    public static bool TryFind(string name, out CodePointSet set) => Sets.Value.TryGetValue(Normalize(name), out set!);

    private static string Normalize(string name) =>
        string.Concat(name.Where(static c => c is not (' ' or '-' or '_'))).ToLowerInvariant();

    private static Dictionary<string, CodePointSet> Load()
    {
        Dictionary<string, CodePointSet> sets = new(StringComparer.Ordinal);
        foreach (string line in UnicodeResource.Lines("properties.txt"))
        {
            string[] fields = line.Split(' ');
            if (fields[0] == "folding")
            {
                continue;
            }

            sets.Add(Normalize(fields[1]), ParseRanges(fields.AsSpan(2)));
        }

        CodePointSet Union(params string[] names) => CodePointSet.UnionOf([.. names.Select(name => sets[name])]);
        void Group(string name, string longName, params string[] members)
        {
            sets[name] = Union(members);
            sets[longName] = sets[name];
        }

        Group("l", "letter", "lu", "ll", "lt", "lm", "lo");
        Group("lc", "casedletter", "lu", "ll", "lt");
        Group("m", "mark", "mn", "mc", "me");
        Group("n", "number", "nd", "nl", "no");
        Group("p", "punctuation", "pc", "pd", "ps", "pe", "pi", "pf", "po");
        Group("s", "symbol", "sm", "sc", "sk", "so");
        Group("z", "separator", "zs", "zl", "zp");
        sets["any"] = CodePointSet.All;
        sets["assigned"] = Union("l", "m", "n", "p", "s", "z", "cc", "cf", "cs", "co");
        sets["cn"] = sets["assigned"].Negate();
        Group("c", "other", "cc", "cf", "cs", "co", "cn");
        (string Short, string Long)[] names =
        [
            ("lu", "uppercaseletter"), ("ll", "lowercaseletter"), ("lt", "titlecaseletter"), ("lm", "modifierletter"), ("lo", "otherletter"),
            ("mn", "nonspacingmark"), ("mc", "spacingmark"), ("me", "enclosingmark"),
            ("nd", "decimalnumber"), ("nl", "letternumber"), ("no", "othernumber"),
            ("pc", "connectorpunctuation"), ("pd", "dashpunctuation"), ("ps", "openpunctuation"), ("pe", "closepunctuation"),
            ("pi", "initialpunctuation"), ("pf", "finalpunctuation"), ("po", "otherpunctuation"),
            ("sm", "mathsymbol"), ("sc", "currencysymbol"), ("sk", "modifiersymbol"), ("so", "othersymbol"),
            ("zs", "spaceseparator"), ("zl", "lineseparator"), ("zp", "paragraphseparator"),
            ("cc", "control"), ("cf", "format"), ("cs", "surrogate"), ("co", "privateuse"), ("cn", "unassigned"),
            ("han", "hani"), ("hiragana", "hira"), ("katakana", "kana"), ("hangul", "hang"), ("latin", "latn"), ("cyrillic", "cyrl"),
            ("arabic", "arab"), ("greek", "grek"), ("hebrew", "hebr"), ("devanagari", "deva"), ("common", "zyyy"), ("inherited", "zinh"),
            ("alphabetic", "alpha"), ("lowercase", "lower"), ("uppercase", "upper"), ("whitespace", "space"),
            ("cc", "cntrl"), ("nd", "digit"),
        ];
        foreach ((string shortName, string longName) in names)
        {
            sets[longName] = sets[shortName];
        }

        // Oniguruma's definitions (its doc/RE, "Unicode Case"; [[:punct:]] has the symbols since 6.9.9, \p{Punct} has not).
        sets["word"] = Union("alphabetic", "m", "nd", "pc");
        sets["alnum"] = Union("alphabetic", "nd");
        sets["blank"] = sets["zs"].Union(CodePointSet.Of('\t'));
        sets["graph"] = Union("whitespace", "cc", "cn", "cs").Negate();
        sets["print"] = sets["graph"].Union(sets["zs"]);
        sets["punct"] = sets["p"];
        sets["posixpunct"] = Union("p", "s");
        sets["xdigit"] = CodePointSet.UnionOf([CodePointSet.Range('0', '9'), CodePointSet.Range('A', 'F'), CodePointSet.Range('a', 'f')]);
        sets["ascii"] = CodePointSet.Range(0, 127);
        return sets;
    }

    private static CodePointSet ParseRanges(ReadOnlySpan<string> fields)
    {
        int[] edges = new int[fields.Length * 2];
        for (int i = 0; i < fields.Length; i++)
        {
            ReadOnlySpan<char> field = fields[i];
            int dash = field.IndexOf('-');
            ReadOnlySpan<char> first = dash < 0 ? field : field[..dash];
            edges[i * 2] = int.Parse(first, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            edges[(i * 2) + 1] = int.Parse(dash < 0 ? first : field[(dash + 1)..], NumberStyles.HexNumber, CultureInfo.InvariantCulture) + 1;
        }

        return CodePointSet.FromEdges(edges);
    }
}
