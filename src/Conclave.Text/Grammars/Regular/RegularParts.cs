using System.Text;
using Conclave.Primitives;
using Conclave.Text.Unicode;

namespace Conclave.Text.Grammars;

/// <summary>Regular languages as automata over bytes.</summary>
internal static class RegularParts
{
    /// <summary>Any text that is valid Unicode.</summary>
    public static ByteDfa AnyText { get; } = Raw("[^]*");

    // One code point, as it is or as it stands in a JSON string.
    private static ByteDfa Character { get; } = CharacterOf(json: false);

    private static ByteDfa EscapedCharacter { get; } = CharacterOf(json: true);

    /// <summary>An expression for the bytes themselves, UTF-8; anchored at both ends, written by us.</summary>
    public static ByteDfa Raw(string expression) => Raw(expression, new GrammarBudget());

    /// <summary>An expression for the bytes themselves, with a budget that it shares.</summary>
    public static ByteDfa Raw(string expression, GrammarBudget budget) => Compile(EcmaPatternReader.ReadWhole(expression), json: false, budget);

    /// <summary>An expression of JSON Schema for the bytes themselves.</summary>
    /// <exception cref="UserErrorException">The expression is wrong, not supported or too large.</exception>
    public static ByteDfa Raw(RegularNode content, GrammarBudget budget) => Compile(content, json: false, budget);

    /// <summary>
    /// What an automaton accepts, without texts in which some bytes occur: the product with Knuth, Morris and Pratt's automaton.
    /// </summary>
    /// <exception cref="UserErrorException">The product is too large.</exception>
    public static ByteDfa Without(ByteDfa automaton, ReadOnlySpan<byte> unwanted, GrammarBudget budget)
    {
        int[] fallback = new int[unwanted.Length + 1];
        for (int i = 1; i < unwanted.Length; i++)
        {
            int matched = fallback[i];
            while (matched > 0 && unwanted[matched] != unwanted[i])
            {
                matched = fallback[matched];
            }

            fallback[i + 1] = matched + (unwanted[matched] == unwanted[i] ? 1 : 0);
        }

        ByteNfa nfa = new(budget, json: false);
        StateMap<(int State, int Matched)> states = new(nfa);
        if (!automaton.IsEmpty)
        {
            states.Start((0, 0));
        }

        while (states.TryNext(out (int State, int Matched) at, out int from))
        {
            if (automaton.Accepting[at.State])
            {
                nfa.AddEpsilon(from, nfa.End);
            }

            foreach ((byte low, byte high, int to) in automaton.Edges[at.State])
            {
                // Bytes that are not among the unwanted ones all lead back to the beginning.
                for (int first = low, last; first <= high; first = last + 1)
                {
                    last = unwanted.Contains((byte)first) ? first : Math.Min(high, NextOf(unwanted, first) - 1);
                    int matched = at.Matched;
                    while (matched > 0 && unwanted[matched] != first)
                    {
                        matched = fallback[matched];
                    }

                    matched += unwanted[matched] == first ? 1 : 0;
                    if (matched < unwanted.Length)
                    {
                        nfa.AddBytes(from, first, last, states.Of((to, matched)));
                    }
                }
            }
        }

        return ByteDfa.From(nfa, budget);
    }

    /// <summary>What two automata accept both.</summary>
    /// <exception cref="UserErrorException">The product is too large.</exception>
    public static ByteDfa Both(ByteDfa first, ByteDfa second, GrammarBudget budget)
    {
        ByteNfa nfa = new(budget, json: false);
        StateMap<(int First, int Second)> states = new(nfa);
        if (!first.IsEmpty && !second.IsEmpty)
        {
            states.Start((0, 0));
        }

        while (states.TryNext(out (int First, int Second) at, out int state))
        {
            if (first.Accepting[at.First] && second.Accepting[at.Second])
            {
                nfa.AddEpsilon(state, nfa.End);
            }

            foreach ((byte low, byte high, int to) in first.Edges[at.First])
            {
                foreach ((byte from, byte last, int other) in second.Edges[at.Second].Where(edge => edge.Low <= high && low <= edge.High))
                {
                    nfa.AddBytes(state, Math.Max(low, from), Math.Min(high, last), states.Of((to, other)));
                }
            }
        }

        return ByteDfa.From(nfa, budget);
    }

    /// <summary>A JSON string, quotes included, whose text an expression of JSON Schema describes.</summary>
    /// <exception cref="UserErrorException">The expression is wrong, not supported or too large.</exception>
    public static ByteDfa JsonString(RegularNode content, GrammarBudget budget)
    {
        ByteNfa nfa = new(budget, json: true);
        int from = nfa.NewState();
        nfa.AddBytes(nfa.Start, '"', '"', from);
        nfa.AddBytes(nfa.Add(content, from), '"', '"', nfa.End);
        return ByteDfa.From(nfa, budget);
    }

    /// <summary>What an automaton accepts, of so many code points; -1 for no upper limit.</summary>
    /// <param name="automaton">Texts, or JSON strings as <see cref="JsonString"/> makes them, whose quotes do not count.</param>
    /// <param name="json">Whether they are JSON strings.</param>
    /// <param name="min">The least number of code points.</param>
    /// <param name="max">The most.</param>
    /// <param name="budget">What the grammar may cost.</param>
    /// <exception cref="UserErrorException">The product with the count is too large.</exception>
    public static ByteDfa OfLength(ByteDfa automaton, bool json, int min, int max, GrammarBudget budget)
    {
        ByteDfa character = json ? EscapedCharacter : Character;
        int last = max < 0 ? min : max;
        ByteNfa nfa = new(budget, json: false);
        StateMap<(int State, int Part, int Count)> states = new(nfa);
        if (!automaton.IsEmpty)
        {
            states.Start((0, 0, 0));
        }

        while (states.TryNext(out (int State, int Part, int Count) at, out int from))
        {
            if (automaton.Accepting[at.State] && at.Part == 0 && at.Count >= min)
            {
                nfa.AddEpsilon(from, nfa.End);
            }

            foreach ((byte low, byte high, int to) in automaton.Edges[at.State])
            {
                if (json && low == '"' && at.Part == 0)
                {
                    nfa.AddBytes(from, low, low, states.Of((to, 0, at.Count)));
                }

                foreach ((byte first, byte final, int part) in character.Edges[at.Part].Where(edge => edge.Low <= high && low <= edge.High))
                {
                    bool whole = character.Accepting[part];
                    int count = whole ? max < 0 ? Math.Min(at.Count + 1, min) : at.Count + 1 : at.Count;
                    if (count <= last)
                    {
                        nfa.AddBytes(from, Math.Max(first, low), Math.Min(final, high), states.Of((to, whole ? 0 : part, count)));
                    }
                }
            }
        }

        return ByteDfa.From(nfa, budget);
    }

    /// <summary>A JSON string, quotes included, of any text except some; characters are escaped only where they must be.</summary>
    public static ByteDfa JsonStringExcept(IEnumerable<string> words, GrammarBudget budget)
    {
        ByteNfa nfa = new(budget, json: true);
        int any = nfa.NewState();
        nfa.AddPoints(any, CodePointSet.All, any);
        nfa.AddBytes(any, '"', '"', nfa.End);

        // A trie of the words: off the trie everything goes, at the end of a word the string must not end.
        int root = nfa.NewState();
        nfa.AddBytes(nfa.Start, '"', '"', root);
        Dictionary<(int State, int Point), int> children = [];
        Dictionary<int, List<int>> points = new() { [root] = [] };
        HashSet<int> ends = [];
        foreach (string word in words)
        {
            int state = root;
            foreach (Rune rune in word.EnumerateRunes())
            {
                if (!children.TryGetValue((state, rune.Value), out int child))
                {
                    child = nfa.NewState();
                    children.Add((state, rune.Value), child);
                    points[state].Add(rune.Value);
                    points.Add(child, []);
                    nfa.AddPoints(state, CodePointSet.Of(rune.Value), child);
                }

                state = child;
            }

            ends.Add(state);
        }

        foreach ((int state, List<int> taken) in points)
        {
            nfa.AddPoints(state, taken.Count == 0 ? CodePointSet.All : CodePointSet.UnionOf([.. taken.Select(CodePointSet.Of)]).Negate(), any);
            if (!ends.Contains(state))
            {
                nfa.AddBytes(state, '"', '"', nfa.End);
            }
        }

        return ByteDfa.From(nfa, budget);
    }

    // The lowest of the bytes above a value, or 256.
    private static int NextOf(ReadOnlySpan<byte> bytes, int value)
    {
        int next = 256;
        foreach (byte candidate in bytes)
        {
            next = candidate > value && candidate < next ? candidate : next;
        }

        return next;
    }

    private static ByteDfa CharacterOf(bool json)
    {
        GrammarBudget budget = new();
        ByteNfa nfa = new(budget, json);
        nfa.AddPoints(nfa.Start, CodePointSet.All, nfa.End);
        return ByteDfa.From(nfa, budget);
    }

    private static ByteDfa Compile(RegularNode node, bool json, GrammarBudget budget)
    {
        ByteNfa nfa = new(budget, json);
        nfa.AddEpsilon(nfa.Add(node, nfa.Start), nfa.End);
        return ByteDfa.From(nfa, budget);
    }
}
