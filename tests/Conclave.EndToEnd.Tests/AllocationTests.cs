using Conclave.Kernels;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>Up to the token id, a decode step allocates nothing on the managed heap.</summary>
public sealed class AllocationTests
{
    public static TheoryData<string> Isas() => [.. KernelSet.Supported.ToArray().Select(set => set.Name)];

    [Theory]
    [MemberData(nameof(Isas))]
    public void DecodedTokensAllocateNothing(string isa)
    {
        string probe = Path.Combine(
            Repository.Root, "tests", "Conclave.AllocationProbe", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0",
            "Conclave.AllocationProbe.dll");

        // Tiered compilation would allocate while it replaces code; which thread that happens on is not the question here.
        CliResult result = Cli.RunProgram("dotnet", [probe, Repository.Fable, isa, "2"], [("DOTNET_TieredCompilation", "0")]);
        Assert.Equal(0, result.Code);
        Assert.StartsWith("0 bytes in 200 tokens", result.Output, StringComparison.Ordinal);
    }
}
