namespace Conclave.Text.Grammars;

/// <summary>What leads from one state to another.</summary>
internal enum EdgeKind
{
    /// <summary>Nothing.</summary>
    Epsilon,

    /// <summary>A byte from A to B.</summary>
    Bytes,

    /// <summary>All of rule A, with B brackets open in the calling rule.</summary>
    Call,

    /// <summary>The token A.</summary>
    Token,
}

/// <summary>An edge; what A and B mean depends on the kind.</summary>
internal readonly record struct Edge(int From, EdgeKind Kind, int A, int B, int To);

/// <summary>
/// A grammar as a nondeterministic pushdown automaton: one finite automaton per rule whose edges are bytes, tokens and calls of rules.
/// Immutable. Height of a state: the least number of brackets that must be open at once, counted from the rule's beginning, on the way
/// from there to the rule's end; <see cref="Unreachable"/> if there is no such way.
/// </summary>
internal sealed class PushdownProgram
{
    /// <summary>The height of states that lead nowhere.</summary>
    public const int Unreachable = int.MaxValue / 2;

    private readonly Edge[] _edges;
    private readonly int[] _first;

    public PushdownProgram(
        List<Edge> edges,
        int states,
        int[] starts,
        int[] ends,
        int[] ranks,
        int[] heights,
        Dictionary<int, (ByteDfa Automaton, int State)> regular,
        Dictionary<int, Count> counts)
    {
        Regular = regular;
        Counts = counts;
        (_edges, _first) = Group(edges, states);
        Starts = starts;
        Ends = ends;
        Ranks = ranks;
        Heights = heights;
        Ending = new bool[states];
        foreach (int end in ends)
        {
            Ending[end] = true;
        }

        HighestToken = edges.Where(static edge => edge.Kind == EdgeKind.Token).Select(static edge => edge.A).DefaultIfEmpty(-1).Max();
        bool[] cut = new bool[257];
        foreach (Edge edge in edges.Where(static edge => edge.Kind == EdgeKind.Bytes))
        {
            cut[edge.A] = true;
            cut[edge.B + 1] = true;
        }

        for (int value = 1; value < 256; value++)
        {
            Classes[value] = (byte)(Classes[value - 1] + (cut[value] ? 1 : 0));
        }

        Samples = [.. Enumerable.Range(0, 256).Where(value => value == 0 || Classes[value] != Classes[value - 1]).Select(static value => (byte)value)];
    }

    /// <summary>Roughly what it takes in memory, the texts and automata that it was made from included.</summary>
    public long Bytes => (40L * _edges.Length) + (64L * Heights.Length);

    /// <summary>By rule: its first state. The first rule is the whole grammar.</summary>
    public int[] Starts { get; }

    /// <summary>By rule: its last state.</summary>
    public int[] Ends { get; }

    /// <summary>By rule: a rule has a higher rank than those that can call it before they have read anything.</summary>
    public int[] Ranks { get; }

    /// <summary>By state: see the type.</summary>
    public int[] Heights { get; }

    /// <summary>By state: whether it is a rule's last.</summary>
    public bool[] Ending { get; }

    /// <summary>The states of rules that are one regular part: which state of which automaton each is.</summary>
    public IReadOnlyDictionary<int, (ByteDfa Automaton, int State)> Regular { get; }

    /// <summary>The states that count items.</summary>
    public IReadOnlyDictionary<int, Count> Counts { get; }

    /// <summary>The highest id of a token that the grammar names; -1 for none.</summary>
    public int HighestToken { get; }

    /// <summary>By byte: bytes of one class are treated alike everywhere.</summary>
    public byte[] Classes { get; } = new byte[256];

    /// <summary>By class: one of its bytes, the lowest.</summary>
    public byte[] Samples { get; }

    public ReadOnlySpan<Edge> EdgesOf(int state) => _edges.AsSpan(_first[state].._first[state + 1]);

    /// <summary>Edges by the state that they leave.</summary>
    public static (Edge[] Edges, int[] First) Group(List<Edge> edges, int states)
    {
        int[] first = new int[states + 1];
        foreach (Edge edge in edges)
        {
            first[edge.From + 1]++;
        }

        for (int state = 0; state < states; state++)
        {
            first[state + 1] += first[state];
        }

        Edge[] sorted = new Edge[edges.Count];
        int[] next = [.. first];
        foreach (Edge edge in edges)
        {
            sorted[next[edge.From]++] = edge;
        }

        return (sorted, first);
    }
}
