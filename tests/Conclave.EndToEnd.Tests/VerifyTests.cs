using System.Text.Json;
using Conclave.Checkpoints;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>The whole model against the golden outputs: same experts, same greedy tokens, every tensor within the tolerance, in every way of computing.</summary>
public sealed class VerifyTests
{
    public static TheoryData<string, string> Cases()
    {
        TheoryData<string, string> cases = [];
        foreach (string isa in InstructionSets.Names)
        {
            foreach (string model in new[] { "models/fable", "tests/data/v2-greedy-bf16", "tests/data/v2-group-f32", "tests/data/v3-mtp-fp8", "tests/data/v3-nogroup-bf16" })
            {
                cases.Add(new TheoryDataRow<string, string>(isa, model) { Skip = InstructionSets.WhyNot(isa) });
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void ModelComputesWhatTheReferenceComputes(string isa, string model)
    {
        CliResult result = Cli.Run("verify", model, "--isa", isa, "--json");
        Assert.True(result.Code == 0, result.Output + result.Error);
        using JsonDocument report = JsonDocument.Parse(result.Output);
        Assert.Equal(isa, report.RootElement.GetProperty("isa").GetString());
        foreach (JsonElement error in report.RootElement.GetProperty("errors").EnumerateArray())
        {
            Assert.InRange(error.GetProperty("max_relative_error").GetDouble(), 0, 2e-4);
        }

        Assert.Equal(Expected(model), report.RootElement.GetProperty("errors").EnumerateArray().Select(error => (
            error.GetProperty("run").GetString()!, error.GetProperty("tensor").GetString()!, error.GetProperty("count").GetInt32())).Order());

        JsonElement[] equalities = [.. report.RootElement.GetProperty("equalities").EnumerateArray()];
        Assert.Equal(8, equalities.Length);
        Assert.All(equalities, count =>
        {
            Assert.True(count.GetProperty("total").GetInt32() >= 100);
            Assert.Equal(count.GetProperty("total").GetInt32(), count.GetProperty("equal").GetInt32());
        });
    }

    /// <summary>How many tensors of which kind a golden file has, each of them in every way of computing.</summary>
    private static IEnumerable<(string Run, string Tensor, int Count)> Expected(string model)
    {
        (string, int)[] tensors = model switch
        {
            "models/fable" => [("final_norm", 5), ("layers.*.output", 25), ("layers.*.router.weights", 20), ("logits", 5), ("mtp.logits", 1)],
            "tests/data/v3-mtp-fp8" =>
                [("embedding", 3), ("final_norm", 3), ("layers.*.output", 12), ("layers.*.router.weights", 9), ("logits", 3), ("mtp.logits", 2)],
            _ => [("embedding", 3), ("final_norm", 3), ("layers.*.output", 9), ("layers.*.router.weights", 6), ("logits", 3)],
        };
        return new[] { "odd chunks", "one chunk", "token by token", "token by token, absorbed" }
            .SelectMany(run => tensors.Select(tensor => (run, tensor.Item1, tensor.Item2))).Order();
    }

    [Fact]
    public void AWrongGoldenTensorIsAMiss()
    {
        using TemporaryFolder folder = new();
        string dump = folder.File("dump.safetensors");
        Assert.Equal(0, Cli.Run("verify", "tests/data/v2-group-f32", "--dump", dump).Code);

        // What was computed agrees with itself …
        Assert.Equal(0, Cli.Run("verify", "tests/data/v2-group-f32", "--golden", dump).Code);

        // … and no longer when one logit is another.
        byte[] bytes = File.ReadAllBytes(dump);
        using (SafetensorsFile file = SafetensorsFile.Open(dump))
        {
            OverwriteFirst(bytes, file, "prompts.1.logits", BitConverter.GetBytes(100f));
        }

        CliResult result = Cli.Run("verify", "tests/data/v2-group-f32", "--golden", folder.Write("wrong.safetensors", bytes));
        Assert.Equal(1, result.Code);
        Assert.Contains("prompts.1.logits", result.Output, StringComparison.Ordinal);
        Assert.Contains("FAILED", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutGoldenOutputsOneIsToldHowToNameThem()
    {
        using TemporaryFolder folder = new();
        foreach (string file in (string[])["config.json", "model.safetensors"])
        {
            File.Copy(Repository.Data("v2-group-f32", file), folder.File(file));
        }

        CliResult result = Cli.Run("verify", folder.Path);
        Assert.Equal(2, result.Code);
        Assert.StartsWith($"error: {folder.File("golden.safetensors")}: there is no such file; --golden names another one", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileWithoutPromptsIsTheMistakeOfAPerson()
    {
        CliResult result = Cli.Run("verify", "tests/data/v2-group-f32", "--golden", "tests/data/v2-group-f32/model.safetensors");
        Assert.Equal(2, result.Code);
        Assert.Contains("prompts.0.input_ids", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void AGoldenTensorThatTheModelDoesNotGiveIsTheMistakeOfAPerson()
    {
        using TemporaryFolder folder = new();
        byte[] bytes = File.ReadAllBytes(Repository.Data("v2-group-f32", "golden.safetensors"));
        bytes.AsSpan(bytes.AsSpan().IndexOf("prompts.1.logits"u8)).Slice("prompts.1.".Length)[0] = (byte)'d';
        string golden = folder.Write("other.safetensors", bytes);
        CliResult result = Cli.Run("verify", "tests/data/v2-group-f32", "--golden", golden);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith($"error: {golden}: tensor \"prompts.1.dogits\" cannot be compared", result.Error, StringComparison.Ordinal);
    }

    private static unsafe void OverwriteFirst(byte[] bytes, SafetensorsFile file, string tensor, byte[] value)
    {
        // Tensors lie in the file as they lie in the mapping.
        nint start = nint.MaxValue;
        foreach (StoredTensor stored in file.Tensors)
        {
            start = nint.Min(start, (nint)stored.Data);
        }

        long dataStart = 8 + BitConverter.ToInt64(bytes, 0);
        value.CopyTo(bytes, dataStart + ((nint)file.Get(tensor).Data - start));
    }
}
