using Conclave.Kernels;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>Up to the token id, a decode step allocates nothing on the managed heap.</summary>
public sealed class AllocationTests
{
    public static TheoryData<string, int> Cases()
    {
        TheoryData<string, int> cases = [];
        foreach (KernelSet set in KernelSet.Supported)
        {
            cases.Add(set.Name, 1);

            // The reference would take minutes.
            if (set != KernelSet.Supported[0])
            {
                cases.Add(set.Name, 8);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void DecodedTokensAllocateNothing(string isa, int batch) => Probe(Repository.Fable, isa, batch, prompt: 3);

    public static TheoryData<string> VectorSets() => [.. KernelSet.Supported[1..].ToArray().Select(set => set.Name)];

    /// <summary>From 512 positions on, fewer rows than workers are computed another way: chunks of the context are items of their own.</summary>
    [Theory]
    [MemberData(nameof(VectorSets))]
    public void NorDoThoseOfALongContext(string isa) => Probe(Repository.Data("v3-mtp-fp8"), isa, batch: 1, prompt: 1100);

    private static void Probe(string model, string isa, int batch, int prompt)
    {
        string probe = Path.Combine(
            Repository.Root, "tests", "Conclave.AllocationProbe", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0",
            "Conclave.AllocationProbe.dll");

        // Tiered compilation would allocate while it replaces code; which thread that happens on is not the question here.
        CliResult result = Cli.RunProgram("dotnet", [probe, model, isa, "2", $"{batch}", $"{prompt}"], [("DOTNET_TieredCompilation", "0")]);
        Assert.Equal(0, result.Code);
        Assert.StartsWith($"0 bytes in 200 steps of {batch} ", result.Output, StringComparison.Ordinal);
    }
}
