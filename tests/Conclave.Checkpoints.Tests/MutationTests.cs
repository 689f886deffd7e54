using System.Runtime.InteropServices;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Checkpoints.Tests;

/// <summary>Damaged files are read, or end with a <see cref="UserErrorException"/>: never with another exception, never with a crash.</summary>
public sealed class MutationTests : IDisposable
{
    private const int Runs = 3000;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DamagedSafetensors()
    {
        byte[] whole = SmallCheckpoint();
        int refused = Survive("x.safetensors", whole, path =>
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            foreach (StoredTensor tensor in file.Tensors)
            {
                SumBytes(tensor);
            }
        });
        Assert.InRange(refused, Runs / 2, Runs - 1);
    }

    [Fact]
    public void DamagedWeights()
    {
        byte[] whole = SmallCheckpoint();
        File.Copy(Path.Combine(Repository.Data("v3-mtp-fp8"), "config.json"), _folder.File("config.json"));
        int refused = Survive("model.safetensors", whole, _ =>
        {
            using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
            CheckpointProblems problems = new(_folder.Path);
            checkpoint.WeightMatrix("a.weight", 130, 20, problems);
            checkpoint.WeightMatrix("b.weight", 3, 4, problems);
            checkpoint.Vector("norm.weight", 8, problems);
            problems.ThrowIfAny();
        });
        Assert.InRange(refused, Runs / 2, Runs - 1);
    }

    [Fact]
    public void DamagedConfigurations()
    {
        byte[] whole = File.ReadAllBytes(Path.Combine(Repository.Data("v3-mtp-fp8"), "config.json"));
        int refused = Survive("config.json", whole, _ => ModelConfig.Read(_folder.Path));
        Assert.InRange(refused, Runs / 4, Runs - 1);
    }

    [Fact]
    public void DamagedIndexes()
    {
        File.Copy(Path.Combine(Repository.Data("v3-mtp-fp8"), "config.json"), _folder.File("config.json"));
        byte[] index = """{"metadata": {"total_size": 1}, "weight_map": {"a.weight": "x.safetensors", "norm.weight": "x.safetensors"}}"""u8.ToArray();
        _folder.Write("x.safetensors", SmallCheckpoint());
        int refused = Survive("model.safetensors.index.json", index, _ => Checkpoint.Open(_folder.Path).Dispose());
        Assert.InRange(refused, Runs / 4, Runs - 1);
    }

    [Fact]
    public void DamagedGenerationAndTokenizerConfigurations()
    {
        byte[] generation = """{"eos_token_id": [1, 2], "bos_token_id": 0, "temperature": 0.7, "top_p": 0.95, "top_k": 5}"""u8.ToArray();
        Survive("generation_config.json", generation, _ => GenerationConfig.Read(_folder.Path));
        byte[] tokenizer = """{"bos_token": {"content": "<s>"}, "eos_token": "</s>", "model_max_length": 1e30, "chat_template": [{"name": "default", "template": "x"}]}"""u8.ToArray();
        Survive("tokenizer_config.json", tokenizer, _ => TokenizerConfig.Read(_folder.Path));
    }

    private static byte[] SmallCheckpoint()
    {
        using TemporaryFolder folder = new();
        string path = folder.File("x.safetensors");
        TensorDeclaration[] tensors =
        [
            new TensorDeclaration("a.weight_scale_inv", ElementFormat.F32, 2, 1), new TensorDeclaration("b.weight", ElementFormat.BF16, 3, 4),
            new TensorDeclaration("norm.weight", ElementFormat.F32, 8), new TensorDeclaration("a.weight", ElementFormat.F8_E4M3, 130, 20),
            new TensorDeclaration("empty", ElementFormat.I64, 0, 3), new TensorDeclaration("scalar", ElementFormat.U8),
        ];
        using (SafetensorsWriter writer = new(path, tensors, new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" }))
        {
            writer.Append(MemoryMarshal.AsBytes<float>([0.5f, 2]));
            writer.Append(new byte[tensors.Sum(tensor => tensor.Bytes) - 8]);
            writer.Complete();
        }

        return File.ReadAllBytes(path);
    }

    private static unsafe long SumBytes(StoredTensor tensor)
    {
        long sum = 0;
        byte* data = tensor.Data;
        for (nint i = 0; i < tensor.Bytes; i++)
        {
            sum += data[i];
        }

        return sum;
    }

    private int Survive(string name, byte[] original, Action<string> read)
    {
        read(_folder.Write(name, original));
        int refused = 0;
        for (int seed = 0; seed < Runs; seed++)
        {
            string path = _folder.Write(name, new Mutator(seed).Next([original]));
            try
            {
                read(path);
            }
            catch (UserErrorException e)
            {
                Assert.Contains(_folder.Path, e.Message);
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {e}");
            }
        }

        return refused;
    }
}
