using System.Globalization;

namespace Conclave.Text.Unicode;

/// <summary>Simple case folding: which code points are the same letter for (?i).</summary>
internal static class CaseFolding
{
    private static readonly Lazy<Dictionary<int, int[]>> Classes = new(Load);

    /// <summary>The set with everything added that differs from a member by case only.</summary>
    public static CodePointSet Close(CodePointSet set)
    {
        List<CodePointSet> parts = [set];
        foreach ((int point, int[] equals) in Classes.Value)
        {
            if (set.Contains(point))
            {
                parts.AddRange(equals.Select(CodePointSet.Of));
            }
        }

        return CodePointSet.UnionOf(parts);
    }

    private static Dictionary<int, int[]> Load()
    {
        Dictionary<int, List<int>> byFold = [];
        string line = UnicodeResource.Lines("properties.txt").Single(static line => line.StartsWith("folding ", StringComparison.Ordinal));
        foreach (string field in line.Split(' ').Skip(1))
        {
            string[] pair = field.Split('=');
            int from = int.Parse(pair[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            int to = int.Parse(pair[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            (byFold.TryGetValue(to, out List<int>? members) ? members : byFold[to] = [to]).Add(from);
        }

        Dictionary<int, int[]> classes = [];
        foreach (List<int> members in byFold.Values)
        {
            int[] all = [.. members];
            foreach (int member in members)
            {
                classes.Add(member, all);
            }
        }

        return classes;
    }
}
