using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Conclave.Checkpoints;
using Conclave.Engine.Scheduling;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Testing;
using Conclave.Text;

namespace Conclave.Engine.Tests.Requests;

/// <summary>A token that no number comes out of fails its request, and nobody else's.</summary>
public sealed class NotANumberTests
{
    private const int Cursed = 77;
    private const int Context = 128;
    private const int TokensPerStep = 64;
    private const int Blocks = 6;

    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Repository.Fable);

    [Theory]
    [InlineData("v3-nogroup-bf16")]
    [InlineData("v2-greedy-bf16")]
    public async Task ARequestWithoutNumbersFailsAlone(string name)
    {
        using TemporaryFolder folder = new();
        CurseToken(Repository.Model(name), folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder.Path);
        using WorkerTeam team = new(1);
        using DeepSeekModel model = new(checkpoint, KernelSet.Best, team, new ModelOptions { CacheBlocks = Blocks, MaxTokensPerStep = TokensPerStep });
        EngineOptions options = new() { MaxRunning = 4, PrefixReuse = PrefixReuse.None };
        using InferenceEngine engine = new(new DeepSeekRunner(model, options.MaxRunning, Context), Tokenizer, [], new EngineSizes(Blocks, TokensPerStep, Context), options);
        string[] alone = await AnswerBits.ReadAsync(engine.Submit(Request(5)));

        IReadOnlyList<Generation> together = engine.Submit([Request(5), Request(Cursed), Request(5)]);
        string message = (await Assert.ThrowsAsync<InvalidOperationException>(() => AnswerBits.ReadAsync(together[1]))).Message;
        Assert.Equal("no token can be chosen: the highest logit is NaN; `conclave inspect DIR --scan` tells whether the model's weights are numbers", message);
        Assert.Equal(alone, await AnswerBits.ReadAsync(together[0]));
        Assert.Equal(alone, await AnswerBits.ReadAsync(together[2]));
        Assert.Null(engine.Unavailable);

        // These need all blocks of the cache, also those that hold what is no number.
        foreach (Generation generation in engine.Submit([.. Enumerable.Repeat(Request(5), Blocks)]))
        {
            Assert.Equal(alone, await AnswerBits.ReadAsync(generation));
        }
    }

    private static GenerationRequest Request(int first) => new()
    {
        Prompt = [first, .. Enumerable.Range(100, 20)],
        Logprobs = 3,
        Sampling = new SamplingOptions { Seed = 1, MaxTokens = 6 },
    };

    private static void CurseToken(string directory, TemporaryFolder folder)
    {
        const ushort NaN = 0x7FC0;
        byte[] file = File.ReadAllBytes(Path.Combine(directory, "model.safetensors"));
        int headerBytes = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(sizeof(long), headerBytes));
        JsonElement embedding = header.RootElement.GetProperty("model.embed_tokens.weight");
        int columns = embedding.GetProperty("shape")[1].GetInt32();
        int begin = sizeof(long) + headerBytes + embedding.GetProperty("data_offsets")[0].GetInt32();
        MemoryMarshal.Cast<byte, ushort>(file.AsSpan(begin))[(Cursed * columns)..][..columns].Fill(NaN);
        folder.Write("model.safetensors", file);
        folder.Write("config.json", File.ReadAllBytes(Path.Combine(directory, "config.json")));
    }
}
