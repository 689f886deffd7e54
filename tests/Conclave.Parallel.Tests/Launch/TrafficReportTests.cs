using Conclave.Parallel.Balancing;
using Conclave.Parallel.Launch;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>What people read at the end of a launch.</summary>
public sealed class TrafficReportTests
{
    [Fact]
    public void Placements_that_failed_are_told_with_the_rank_and_the_cause()
    {
        string[] lines = Write(new BalanceReport(3, 0, 2, 1.25, 1.5, Abandoned: 4, null), new BalanceReport(3, 0, 0, 0, 0, 0, "no room"));
        Assert.EndsWith("1.50 had none moved; 4 changes failed", Assert.Single(lines, line => line.StartsWith("balancing: ", StringComparison.Ordinal)));
        Assert.EndsWith(" s for others", Assert.Single(lines, line => line.StartsWith("rank 0: ", StringComparison.Ordinal)));
        Assert.EndsWith(" s for others; no room", Assert.Single(lines, line => line.StartsWith("rank 1: ", StringComparison.Ordinal)));
    }

    [Fact]
    public void Where_none_failed_nothing_is_said_of_it()
    {
        string[] lines = Write(new BalanceReport(3, 0, 2, 1.25, 1.5, 0, null), new BalanceReport(3, 0, 0, 0, 0, 0, null));
        Assert.EndsWith("1.50 had none moved", Assert.Single(lines, line => line.StartsWith("balancing: ", StringComparison.Ordinal)));
        Assert.EndsWith(" s for others", lines[^1]);
    }

    private static string[] Write(params BalanceReport[] balances)
    {
        using StringWriter text = new();
        TrafficReport.Write(text, [.. balances.Select(balance => new RankReport(default, default, [], [], []) { Balance = balance })]);
        return text.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
    }
}
