using System.Globalization;
using System.Text.RegularExpressions;

namespace Conclave.Server.Tests;

/// <summary>What /metrics says of one model: engines of other tests write to the same meter.</summary>
internal sealed partial class ModelSeries
{
    private readonly ILookup<string, (string Labels, double Value)> _series;

    private ModelSeries(ILookup<string, (string Labels, double Value)> series) => _series = series;

    public static ModelSeries Parse(string text, string model) => new(SeriesLine().Matches(text)
        .Select(static match => (Name: match.Groups["Name"].Value, Labels: match.Groups["Labels"].Value, Value: double.Parse(match.Groups["Value"].Value, CultureInfo.InvariantCulture)))
        .Where(one => one.Labels.Contains($"model_name=\"{model}\"", StringComparison.Ordinal) && one.Labels.Contains("engine=\"0\"", StringComparison.Ordinal))
        .ToLookup(static one => one.Name, static one => (one.Labels, one.Value)));

    public double Value(string name, string? reason = null) => Assert.Single(
        _series[name], one => reason is null || one.Labels.Contains($"finished_reason=\"{reason}\"", StringComparison.Ordinal)).Value;

    public string[] Buckets(string name) => [.. _series[name + "_bucket"].Select(static one => BucketLabel().Match(one.Labels).Groups["Le"].Value)];

    [GeneratedRegex("le=\"(?<Le>[^\"]+)\"", RegexOptions.None, 1000)]
    private static partial Regex BucketLabel();

    [GeneratedRegex(@"^(?<Name>conclave_\w+)\{(?<Labels>.*)\} (?<Value>\S+)", RegexOptions.Multiline, 1000)]
    private static partial Regex SeriesLine();
}
