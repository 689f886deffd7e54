using System.Text;
using System.Xml.Linq;
using Conclave.Primitives;

namespace Conclave.Measurement.Tests;

/// <summary>Reports, what is computed from them, and pictures of them.</summary>
public sealed class BenchmarkReportTests
{
    // 2 GB/s and 10 GFLOP/s; half a megabyte and a million operations need at least 250 µs.
    private const string Kernels = """
        {"machine": "a <b> & \"c\" \u0001 \u007f", "threads": 3, "kernels": [
          {"isa": "avx2", "operator": "matmul", "format": "BF16", "shape": "[2, 3]", "inputs": 4, "seconds": 1e-3, "runs_seconds": [5e-4, 1e-3, 2e-3],
           "bytes": 500000, "flops": 1000000, "limit_bytes_per_second": 2e9, "limit_flops": 1e10},
          {"isa": "avx2", "operator": "prepare", "format": "F8_E4M3", "shape": "<V3>", "inputs": 8, "seconds": 1e-3, "runs_seconds": [1e-3],
           "bytes": 500000, "flops": 5000000, "limit_bytes_per_second": 2e9, "limit_flops": 1e10}]}
        """;

    [Fact]
    public void Speeds_and_shares_come_from_the_runs()
    {
        BenchmarkReport report = Read(Kernels);
        Assert.Equal(["matmul BF16 [2, 3] × 4", "prepare F8_E4M3 <V3> × 8"], report.Rows.Select(row => row.Label));
        Assert.Equal([BenchmarkReport.BandwidthBound, BenchmarkReport.PeakBound], report.Rows.Select(row => row.Group));
        Assert.Equal([2000, 1000, 500], report.Rows[0].Speeds.Select(speed => Math.Round(speed, 6)));
        Assert.Equal([0.5, 0.25, 0.125], report.Rows[0].Shares.Select(share => Math.Round(share, 9)));
        Assert.Equal(0.5, Assert.Single(report.Rows[1].Shares), 1e-9);
        Assert.Equal("3", report.Setting["threads"]);
    }

    [Fact]
    public void Rows_name_their_instruction_set_where_there_are_several()
    {
        string both = Kernels.Replace("{\"isa\": \"avx2\", \"operator\": \"matmul\"", "{\"isa\": \"reference\", \"operator\": \"matmul\"", StringComparison.Ordinal);
        Assert.Equal(["reference matmul BF16 [2, 3] × 4", "avx2 prepare F8_E4M3 <V3> × 8"], Read(both).Rows.Select(row => row.Label));
    }

    [Fact]
    public void Ratios_are_later_by_earlier()
    {
        RunRatio ratio = RunRatio.Of(later: [6, 4, 5], earlier: [1, 2]);
        Assert.Equal((2, 2.5, 6), (ratio.Min, ratio.Median, ratio.Max));
        RunRatio same = Assert.IsType<RunRatio>(new BenchmarkComparison(Read(Kernels), Read(Kernels)).Rows[1].Share);
        Assert.Equal(new RunRatio(1, 1, 1), same);
    }

    [Fact]
    public void Pictures_show_any_text_as_it_is_where_XML_can()
    {
        string[] texts = [.. XDocument.Parse(BenchmarkPlot.Svg(Read(Kernels))).Descendants().Select(element => element.Value)];
        Assert.Contains("prepare F8_E4M3 <V3> × 8", texts);
        Assert.Contains(texts, text => text.StartsWith("a <b> & \"c\" \uFFFD \u007f · threads: 3", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("\"BF16\"", "\"BF15\"", "$.kernels[0].format: \"BF15\"")]
    [InlineData("\"inputs\": 4", "\"inputs\": 0", "$.kernels[0].inputs: 0")]
    [InlineData("[5e-4, 1e-3, 2e-3]", "[5e-4, -1]", "$.kernels[0].runs_seconds[1]: -1")]
    [InlineData("[5e-4, 1e-3, 2e-3]", "[1e-300]", "$.kernels[0].runs_seconds[0]: 1e-300")]
    [InlineData("[5e-4, 1e-3, 2e-3]", "{}", "$.kernels[0].runs_seconds: {}")]
    [InlineData("\"inputs\": 8, ", "", "$.kernels[1]: \"inputs\" is missing")]
    [InlineData("2e9", "0", "$.kernels[0].limit_bytes_per_second: 0")]
    public void Complaints_name_the_place(string part, string replacement, string complaint)
    {
        int at = Kernels.IndexOf(part, StringComparison.Ordinal);
        string broken = string.Concat(Kernels.AsSpan(0, at), replacement, Kernels.AsSpan(at + part.Length));
        Assert.Contains($"old.json: {complaint}", Assert.Throws<UserErrorException>(() => Read(broken)).Message, StringComparison.Ordinal);
    }

    private static BenchmarkReport Read(string json) => BenchmarkReport.Read(JsonCursor.Parse("old.json", Encoding.UTF8.GetBytes(json)), "kernels");
}
