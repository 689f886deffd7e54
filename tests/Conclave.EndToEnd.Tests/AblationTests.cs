using System.Globalization;
using System.Text.RegularExpressions;
using Conclave.Cli.Commands;
using Conclave.Kernels;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Launch;

namespace Conclave.EndToEnd.Tests;

/// <summary>conclave bench ablation: that it runs all rows, and each as it is called. What they are worth is for people to read.</summary>
public sealed partial class AblationTests
{
    private const string Bench = "bench closed-loop MODEL --clients 15 --requests 30 --max-running ";
    private const string Out = " --out FILE";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Each_row_switches_one_thing_on(bool batching)
    {
        ExchangeOptions flat = new(ExchangePath.OneHop, PayloadFormat.BF16, PayloadFormat.BF16, CombineReduction.None);
        ExchangeOptions twoHops = flat with { Path = ExchangePath.TwoHop, Reduction = CombineReduction.InHost };
        ExchangeOptions fp8 = twoHops with { Dispatch = PayloadFormat.E4M3 };
        string separate = " --separate-prepare";

        // Fifteen clients, of whom each of two groups has eight.
        int groups = Math.Min(6, WorkerTeam.DefaultThreads);
        string one = batching ? "15" : "1";
        string many = $"{(15 + groups - 1) / groups}";
        (string, ExchangeOptions, int?, int?, int, string)[] expected =
        [
            ("naive", flat, null, null, 1, one + Out + separate),
            ("two hops", twoHops, null, null, 1, one + Out + separate),
            ("FP8 to the experts", fp8, null, null, 1, one + Out + separate),
            ("balancing", fp8, 72, null, 1, one + Out + separate),
            ("prepare as one operator", fp8, 72, null, 1, one + Out),
            ("overlap", fp8, 72, 32, 1, one + Out),
            .. batching ? [] : new (string, ExchangeOptions, int?, int?, int, string)[] { ("batching", fp8, 72, 32, 1, "15" + Out) },
            ("data-parallel attention", fp8, 72, 32, groups, many + Out),
        ];
        Assert.Equal(expected, AblationRow.Table(batching).Select(row =>
        {
            WorldPlan plan = row.Plan(ranks: 6, hosts: 3, experts: 64);
            string command = string.Join(' ', row.Command("MODEL", ranks: 6, clients: 15, requests: 30, "FILE"));
            Assert.Equal((6, 3, 1, 2048), (plan.Ranks, plan.Hosts, plan.TensorParallel, plan.Balancing.WindowTokens));
            Assert.StartsWith(Bench, command, StringComparison.Ordinal);
            return (row.Name, plan.Exchange, plan.Slots, plan.DivideFrom, plan.DataParallel, command[Bench.Length..]);
        }));
    }

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
