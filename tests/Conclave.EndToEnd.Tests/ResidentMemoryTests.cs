using System.Text.Json;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>Weights are read where they lie.</summary>
public sealed class ResidentMemoryTests
{
    // 110 small layers of 64 experts, about 394 MB.
    private const string Layers = "110";
    private const long Allowance = 300_000_000;

    [Fact]
    public void Memory_is_at_most_the_files_and_300_MB()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "resident_bytes counts mapped files on Linux");
        using TemporaryFolder folder = new();
        CliResult written = Cli.Run("synth", "--shape", "fable", "--layers", Layers, "--format", "fp8", "--out", folder.Path);
        Assert.True(written.Code == 0, written.Error);
        long files = Directory.GetFiles(folder.Path, "*.safetensors").Sum(file => new FileInfo(file).Length);

        // Each byte is a token: enough of them choose every expert.
        string prompt = string.Concat(Enumerable.Range(0, 60).Select(i => (char)('!' + (i * 7 % 90))));
        CliResult result = Cli.Run("generate", "--model", folder.Path, string.Concat(Enumerable.Repeat(prompt, 4)), "--max-tokens", "2", "--json");
        Assert.True(result.Code == 0, result.Error);
        long resident = JsonDocument.Parse(result.Output).RootElement.GetProperty("resident_bytes").GetInt64();

        // Nearly all of the file was touched, and a copy of that would not have fitted beside it.
        Assert.InRange(resident, files * 9 / 10, files + Allowance);
        Assert.True(files * 18 / 10 > files + Allowance, $"{files} bytes: too few to tell mapping from copying");
    }
}
