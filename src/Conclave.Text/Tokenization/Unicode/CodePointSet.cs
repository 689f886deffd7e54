namespace Conclave.Text.Unicode;

/// <summary>An immutable set of code points, as the sorted list of places where membership changes.</summary>
internal sealed class CodePointSet
{
    /// <summary>One past the last code point.</summary>
    public const int Limit = 0x110000;

    // Members are [_edges[0], _edges[1]), [_edges[2], _edges[3]), …; the length is even.
    private readonly int[] _edges;

    private CodePointSet(int[] edges) => _edges = edges;

    public static CodePointSet Empty { get; } = new([]);

    public static CodePointSet All { get; } = new([0, Limit]);

    public bool IsEmpty => _edges.Length == 0;

    /// <summary>First member and one past the last of each run of neighbours, one after the other.</summary>
    public ReadOnlySpan<int> Edges => _edges;

    public static CodePointSet Of(int codePoint) => Range(codePoint, codePoint);

    public static CodePointSet Range(int first, int last) => new([first, last + 1]);

    /// <summary>From edges that are sorted and do not touch.</summary>
    public static CodePointSet FromEdges(int[] edges) => new(edges);

    /// <summary>The only member, or -1 where there are more or none.</summary>
    public int Single => _edges.Length == 2 && _edges[1] == _edges[0] + 1 ? _edges[0] : -1;

    public bool Contains(int codePoint)
    {
        int index = Array.BinarySearch(_edges, codePoint);
        return ((index >= 0 ? index + 1 : ~index) & 1) != 0;
    }

    public CodePointSet Union(CodePointSet other) => Combine(other, static (a, b) => a || b);

    public CodePointSet Intersect(CodePointSet other) => Combine(other, static (a, b) => a && b);

    public CodePointSet Except(CodePointSet other) => Combine(other, static (a, b) => a && !b);

    public CodePointSet Negate() => All.Except(this);

    /// <summary>The union of many sets, in one pass over all their edges.</summary>
    public static CodePointSet UnionOf(IReadOnlyList<CodePointSet> sets)
    {
        List<(int Edge, int Step)> steps = [];
        foreach (CodePointSet set in sets)
        {
            for (int i = 0; i < set._edges.Length; i++)
            {
                steps.Add((set._edges[i], (i & 1) == 0 ? 1 : -1));
            }
        }

        // Openings before closings, so that runs that touch become one.
        steps.Sort(static (a, b) => a.Edge != b.Edge ? a.Edge.CompareTo(b.Edge) : b.Step.CompareTo(a.Step));
        List<int> edges = [];
        int depth = 0;
        foreach ((int edge, int step) in steps)
        {
            if (depth == 0 || depth + step == 0)
            {
                edges.Add(edge);
            }

            depth += step;
        }

        return new CodePointSet([.. edges]);
    }

    private CodePointSet Combine(CodePointSet other, Func<bool, bool, bool> rule)
    {
        List<int> edges = [];
        bool inside = false;
        int i = 0;
        int j = 0;
        while (i < _edges.Length || j < other._edges.Length)
        {
            int a = i < _edges.Length ? _edges[i] : int.MaxValue;
            int b = j < other._edges.Length ? other._edges[j] : int.MaxValue;
            int edge = Math.Min(a, b);
            i += a == edge ? 1 : 0;
            j += b == edge ? 1 : 0;
            bool now = rule((i & 1) != 0, (j & 1) != 0);
            if (now != inside)
            {
                edges.Add(edge);
                inside = now;
            }
        }

        return new CodePointSet([.. edges]);
    }
}
