namespace Conclave.Measurement;

/// <summary>How two series of runs compare: later ÷ earlier, more is better.</summary>
/// <param name="Min">The worst later run ÷ the best earlier one.</param>
/// <param name="Median">The ratio of the medians.</param>
/// <param name="Max">The best later run ÷ the worst earlier one.</param>
public readonly record struct RunRatio(double Min, double Median, double Max)
{
    /// <summary>Compares two series, neither of them empty.</summary>
    public static RunRatio Of(double[] later, double[] earlier) =>
        new(later.Min() / earlier.Max(), MedianOf(later) / MedianOf(earlier), later.Max() / earlier.Min());

    /// <summary>The middle one; of an even number the higher of the two in the middle, as everywhere in the benchmarks.</summary>
    public static double MedianOf(double[] numbers) => numbers.Order().ElementAt(numbers.Length / 2);
}

/// <summary>A row that both reports have.</summary>
/// <param name="Label">What was measured.</param>
/// <param name="Speed">Ratio of speeds.</param>
/// <param name="Share">Ratio of shares of the roofline, from which the machine's own changes are gone; null where there are none.</param>
public sealed record ComparedRow(string Label, RunRatio Speed, RunRatio? Share);

/// <summary>Two reports of the same benchmark, row by row.</summary>
public sealed class BenchmarkComparison
{
    /// <summary>Pairs the rows that measured the same.</summary>
    /// <param name="earlier">The report to compare with.</param>
    /// <param name="later">The report of now.</param>
    public BenchmarkComparison(BenchmarkReport earlier, BenchmarkReport later)
    {
        Dictionary<string, BenchmarkRow> before = earlier.Rows.ToDictionary(row => row.Label);
        Rows = [.. later.Rows.Where(row => before.ContainsKey(row.Label)).Select(row => Compare(before[row.Label], row))];
        OnlyEarlier = [.. earlier.Rows.Select(row => row.Label).Except(later.Rows.Select(row => row.Label))];
        OnlyLater = [.. later.Rows.Select(row => row.Label).Except(before.Keys)];
        Differences =
        [
            .. earlier.Setting.Keys.Union(later.Setting.Keys)
                .Select(name => (name, earlier.Setting.GetValueOrDefault(name, "unknown"), later.Setting.GetValueOrDefault(name, "unknown")))
                .Where(setting => setting.Item2 != setting.Item3),
        ];
    }

    /// <summary>Rows of both.</summary>
    public IReadOnlyList<ComparedRow> Rows { get; }

    /// <summary>Labels of rows that only the earlier report has.</summary>
    public IReadOnlyList<string> OnlyEarlier { get; }

    /// <summary>Labels of rows that only the later report has.</summary>
    public IReadOnlyList<string> OnlyLater { get; }

    /// <summary>What was not the same when they were measured.</summary>
    public IReadOnlyList<(string Name, string Earlier, string Later)> Differences { get; }

    private static ComparedRow Compare(BenchmarkRow earlier, BenchmarkRow later) => new(
        later.Label,
        RunRatio.Of(later.Speeds, earlier.Speeds),
        later.Shares.Length > 0 ? RunRatio.Of(later.Shares, earlier.Shares) : null);
}
