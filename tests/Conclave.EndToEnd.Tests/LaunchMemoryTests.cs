using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Conclave.Checkpoints;
using Conclave.Conversion;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>A rank reads the tensors that it needs, and no others.</summary>
public sealed class LaunchMemoryTests
{
    private const int Ranks = 4;

    // For queries, for keys and values, and behind attention.
    private const int DividedMatrices = 3;

    // A dense layer and one with experts. A rank's experts have 25 MB and its half of attention 75, far more than the ends of what it reads, where the system may map pages of 2 MiB.
    private static readonly ModelConfig Shape = ReleasedShapes.Find("fable", 2) with
    {
        VocabularySize = 512, HiddenSize = 1024, IntermediateSize = 2048, MoeIntermediateSize = 512, Heads = 64, ValueDim = 1024,
    };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_rank_reads_its_experts_and_its_part_of_attention(int ranksOfGroup)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc tells what a process has of a file");
        using TemporaryFolder folder = new();
        SyntheticCheckpoint.Write(Shape, ElementFormat.F8_E4M3, folder.Path, cancellation: TestContext.Current.CancellationToken);
        using ServeProcess server = ServeProcess.StartOverRanks(
            Cli.Program, ["--ranks", $"{Ranks}", "--tp", $"{ranksOfGroup}", "--model", folder.Path], "--served-model-name", "synthetic");
        using HttpClient http = new() { BaseAddress = await server.AddressAsync };
        await ChooseEveryExpert(http);
        string file = Directory.GetFiles(folder.Path, "*.safetensors").Single();
        long[] resident = [.. RankChildren.WaitFor(server.Id, Ranks).Values.Select(rank => ProcessMemory.ResidentKilobytes(file, rank) * 1024)];
        Assert.Equal(0, await server.StopAsync(TestContext.Current.CancellationToken));

        using Checkpoint checkpoint = Checkpoint.Open(folder.Path);
        long experts = Bytes(checkpoint, name => name.Contains(".mlp.experts.", StringComparison.Ordinal));
        long attention = Bytes(checkpoint, name => name.Contains(".self_attn.", StringComparison.Ordinal));
        long others = Bytes(checkpoint, _ => true) - experts - attention;
        TestContext.Current.TestOutputHelper!.WriteLine($"{experts} bytes of experts, {attention} of attention, {others} of others; resident {string.Join(", ", resident)}");
        Assert.All(resident, (bytes, rank) =>
        {
            // Norms and the router's numbers are read when a model is made.
            long dense = rank < ranksOfGroup ? (attention / ranksOfGroup) + others + Ends(Shape.Layers * DividedMatrices) : 0;
            Assert.InRange(bytes, experts / Ranks, (experts / Ranks) + dense + Ends(2));
        });
    }

    /// <summary>What runs of bytes may have more in pages of 2 MiB.</summary>
    private static long Ends(int runs) => runs * 2L * HugePages.Size;

    private static async Task ChooseEveryExpert(HttpClient http)
    {
        // Each byte is a token.
        Random random = new(1);
        string prompt = string.Concat(Enumerable.Range(0, 250).Select(_ => (char)random.Next('!', '~')));
        JsonObject body = new() { ["model"] = "synthetic", ["prompt"] = prompt, ["max_tokens"] = 2, ["ignore_eos"] = true };
        using StringContent content = new(body.ToJsonString(), Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await http.PostAsync(new Uri("/v1/completions", UriKind.Relative), content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    private static long Bytes(Checkpoint checkpoint, Func<string, bool> isCounted) => checkpoint.Tensors.Where(tensor => isCounted(tensor.Name)).Sum(tensor => tensor.Bytes);
}
