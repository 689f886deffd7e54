using System.Globalization;
using System.Text.RegularExpressions;

namespace Conclave.EndToEnd.Tests;

/// <summary>conclave bench ablation: that it runs all rows. What they are worth is for people to read.</summary>
public sealed partial class AblationTests
{
    [Fact]
    public void Every_switch_has_its_row_in_both_tables()
    {
        CliResult result = Cli.Run("bench", "ablation", "--ranks", "2", "--hosts", "1", "--clients", "1", "--requests", "1", "--repeat", "1");
        Assert.Equal((0, ""), (result.Code, result.Error));
        string[] switches = ["naive", "two hops", "FP8 to the experts", "balancing", "prepare as one operator", "overlap"];
        Match[] rows = [.. Row().Matches(result.Output).Cast<Match>()];
        const string Last = "data-parallel attention";
        Assert.Equal([.. switches, "batching", Last, .. switches, Last], rows.Select(row => row.Groups["name"].Value));
        Assert.All(rows, row => Assert.True(double.Parse(row.Groups["rate"].Value, CultureInfo.InvariantCulture) > 0));
    }

    [Theory]
    [InlineData("--ranks 2 --hosts 3", "a rank or more on each")]
    [InlineData("--clients 0", "--clients 0: at least 1 is expected")]
    public void Mistakes_are_explained(string arguments, string message)
    {
        CliResult result = Cli.Run(["bench", "ablation", .. arguments.Split(' ')]);
        Assert.Equal(2, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Who_may_make_no_hosts_is_told_how_to_do_without()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Only root can be somebody else");
        CliResult result = Cli.RunProgram("setpriv", ["--reuid=65534", "--clear-groups", "dotnet", Cli.Program, "bench", "ablation"], [("HOME", "/tmp")]);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith("error: --hosts 4: ", result.Error, StringComparison.Ordinal);
        Assert.EndsWith("run it with sudo, or with --hosts 1\n", result.Error, StringComparison.Ordinal);
    }

    [GeneratedRegex("^(?<name>[a-zA-Z0-9 -]+?) +(?<rate>[0-9.]+) +[0-9.]+ … [0-9.]+ +[0-9.]+ +[0-9.]+×", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Row();
}
