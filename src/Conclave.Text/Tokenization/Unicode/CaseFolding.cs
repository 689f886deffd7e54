using System.Text;

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
        for (int point = 0; point < 0x20000; point++)
        {
            if (Rune.IsValid(point))
            {
                // Upper, then lower: long s and the Kelvin sign have no lower case that is 's' or 'k' without it.
                int fold = Rune.ToLowerInvariant(Rune.ToUpperInvariant(new Rune(point))).Value;
                (byFold.TryGetValue(fold, out List<int>? members) ? members : byFold[fold] = []).Add(point);
            }
        }

        Dictionary<int, int[]> classes = [];
        foreach (List<int> members in byFold.Values.Where(members => members.Count > 1))
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
