using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>The programs below bench/: what cannot be an argument of theirs does not start a measurement.</summary>
public sealed class BenchProgramTests
{
    [Theory]
    [InlineData("Exchange", "nonsense")]
    [InlineData("Exchange", "4", "4")]
    [InlineData("Exchange", "0", "1", "1", "128", "0")]
    [InlineData("Exchange", "hosts", "4")]
    [InlineData("Exchange", "--help")]
    [InlineData("Soak", "long")]
    [InlineData("Soak", "0,5")]
    [InlineData("Soak", "1", "2")]
    [InlineData("Scheduling", "--help")]
    [InlineData("Grammars", "--help")]
    [InlineData("Transport", "--help")]
    [InlineData("Transport", "folder", "2")]
    public void Wrong_arguments_are_answered_with_the_usage(string program, params string[] arguments)
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        CliResult result = Cli.RunProgram("dotnet", [Path.Combine(Repository.Root, "bench", program, "bin", configuration, "net10.0", $"{program}.dll"), .. arguments]);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith($"usage: {program}", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }
}
