using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Models.Tests;

/// <summary>A small checkpoint in memory, to be stored otherwise than it is.</summary>
internal sealed unsafe class CheckpointCopy
{
    public CheckpointCopy(string directory)
    {
        using Checkpoint checkpoint = Checkpoint.Open(directory);
        Config = JsonNode.Parse(File.ReadAllText(Path.Combine(directory, "config.json")))!.AsObject();
        foreach (StoredTensor tensor in checkpoint.Tensors)
        {
            Tensors.Add(tensor.Name, new CopiedTensor(tensor.Format, tensor.Shape.ToArray(), new ReadOnlySpan<byte>(tensor.Data, (int)tensor.Bytes).ToArray()));
        }
    }

    public JsonObject Config { get; }

    public SortedDictionary<string, CopiedTensor> Tensors { get; } = new(StringComparer.Ordinal);

    /// <summary>Takes a tensor out.</summary>
    public CopiedTensor Take(string name)
    {
        CopiedTensor tensor = Tensors[name];
        Tensors.Remove(name);
        return tensor;
    }

    /// <summary>Routed experts as transformers 5 stores them in one layer's tensors: gate above up, expert after expert.</summary>
    public void StackExperts(params IEnumerable<string> suffixes)
    {
        int experts = Config["n_routed_experts"]!.GetValue<int>();
        foreach (string prefix in Tensors.Keys.Where(name => name.EndsWith(".experts.0.up_proj.weight", StringComparison.Ordinal)).Select(name => name[..^".0.up_proj.weight".Length]).ToArray())
        {
            foreach (string suffix in suffixes)
            {
                CopiedTensor[] gateUp = [.. Enumerable.Range(0, experts).SelectMany(e => new[] { Take($"{prefix}.{e}.gate_proj.weight{suffix}"), Take($"{prefix}.{e}.up_proj.weight{suffix}") })];
                CopiedTensor[] down = [.. Enumerable.Range(0, experts).Select(e => Take($"{prefix}.{e}.down_proj.weight{suffix}"))];
                Tensors.Add($"{prefix}.gate_up_proj{suffix}", Stack(gateUp, [experts, 2 * gateUp[0].Shape[0], gateUp[0].Shape[1]]));
                Tensors.Add($"{prefix}.down_proj{suffix}", Stack(down, [experts, .. down[0].Shape]));
            }
        }
    }

    public void Write(TemporaryFolder folder)
    {
        folder.Write("config.json", Config.ToJsonString());
        using SafetensorsWriter writer = new(folder.File("model.safetensors"), [.. Tensors.Select(pair => new TensorDeclaration(pair.Key, pair.Value.Format, pair.Value.Shape))]);
        foreach (CopiedTensor tensor in Tensors.Values)
        {
            writer.Append(tensor.Bytes);
        }

        writer.Complete();
    }

    /// <summary>Bits of the logits of a few tokens, as this copy is stored.</summary>
    public uint[] Logits()
    {
        using TemporaryFolder folder = new();
        Write(folder);
        return Logits(folder.Path);
    }

    /// <summary>Bits of the logits of a few tokens.</summary>
    public static uint[] Logits(string directory)
    {
        using Checkpoint checkpoint = Checkpoint.Open(directory);
        using WorkerTeam team = new(1);
        using DeepSeekModel model = new(checkpoint, KernelSet.Best, team, new ModelOptions { CacheBlocks = 1, MaxTokensPerStep = 8 });
        using ForwardBatch batch = new(8, 1, 1);
        batch.Add([5, 60, 7, 200, 31], 0, AttentionForm.Expanded, [0], 5);
        TensorView logits = model.Forward(batch);
        return [.. Enumerable.Range(0, 5).SelectMany(row => MemoryMarshal.Cast<float, uint>(logits.RowF32(row)).ToArray())];
    }

    private static CopiedTensor Stack(CopiedTensor[] parts, nint[] shape) => new(parts[0].Format, shape, [.. parts.SelectMany(part => part.Bytes)]);
}

/// <summary>A tensor of a <see cref="CheckpointCopy"/>.</summary>
internal sealed record CopiedTensor(ElementFormat Format, nint[] Shape, byte[] Bytes)
{
    public static CopiedTensor Of(nint[] shape, params ReadOnlySpan<float> values) => new(ElementFormat.F32, shape, MemoryMarshal.AsBytes(values).ToArray());

    public float[] Floats() => MemoryMarshal.Cast<byte, float>(Bytes).ToArray();
}
