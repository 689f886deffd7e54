using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Models.Tests;

/// <summary>The same weights stored as other writers store them give the same bits.</summary>
public sealed class StoredLayoutTests
{
    private const string Fp8 = "v3-mtp-fp8";

    [Theory]
    [InlineData("v3-nogroup-bf16")]
    [InlineData("v2-greedy-bf16")]
    [InlineData("v2-group-f32")]
    public void ExpertsMayLieInOneTensor(string model)
    {
        CheckpointCopy copy = new(Repository.Model(model));
        copy.StackExperts("");
        Assert.Equal(CheckpointCopy.Logits(Repository.Model(model)), copy.Logits());
    }

    [Fact]
    public void ExpertsInOneTensorMayHaveBlockScales()
    {
        CheckpointCopy copy = WithScalesOfRows();
        copy.StackExperts("", "_scale_inv");
        Assert.Equal(CheckpointCopy.Logits(Repository.Model(Fp8)), copy.Logits());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void CompressedTensorsHaveAScaleForEachRowOrMatrix(bool rows)
    {
        // The same scale everywhere in a matrix, so that it can be stored in every way.
        CheckpointCopy blocks = new(Repository.Model(Fp8));
        CheckpointCopy compressed = new(Repository.Model(Fp8));
        JsonObject weights = new() { ["num_bits"] = 8, ["type"] = "float", ["strategy"] = rows ? "channel" : "tensor" };
        compressed.Config["quantization_config"] = new JsonObject
        {
            ["quant_method"] = "compressed-tensors", ["format"] = "float-quantized", ["config_groups"] = new JsonObject { ["group_0"] = new JsonObject { ["weights"] = weights } },
        };
        foreach (string name in blocks.Tensors.Keys.Where(name => name.EndsWith("_scale_inv", StringComparison.Ordinal)).ToArray())
        {
            CopiedTensor scales = blocks.Take(name);
            int count = scales.Floats().Length;
            blocks.Tensors.Add(name, CopiedTensor.Of(scales.Shape, [.. Enumerable.Repeat(1f / 256, count)]));
            nint matrixRows = blocks.Tensors[name[..^"_scale_inv".Length]].Shape[0];
            compressed.Take(name);
            compressed.Tensors.Add(
                name[..^"_inv".Length],
                rows ? new CopiedTensor(ElementFormat.BF16, [matrixRows, 1], [.. Enumerable.Repeat<byte[]>([0x80, 0x3B], (int)matrixRows).SelectMany(bytes => bytes)]) : CopiedTensor.Of([], 1f / 256));
        }

        Assert.Equal(blocks.Logits(), compressed.Logits());
        compressed.Config["quantization_config"] = JsonNode.Parse("""{"quant_method": "fp8", "activation_scheme": "dynamic"}""");
        if (!rows)
        {
            Assert.Equal(blocks.Logits(), compressed.Logits());
        }
    }

    [Fact]
    public void AStackOfAnotherShapeIsNamedOnce()
    {
        CheckpointCopy copy = new(Repository.Model("v2-greedy-bf16"));
        copy.StackExperts("");
        CopiedTensor down = copy.Take("model.layers.2.mlp.experts.down_proj");
        copy.Tensors.Add("model.layers.2.mlp.experts.down_proj", down with { Shape = [8, 48, 96] });
        string message = Assert.Throws<UserErrorException>(() => copy.Logits()).Message;
        Assert.Contains("1 problem with its tensors", message, StringComparison.Ordinal);
        Assert.Contains("tensor \"model.layers.2.mlp.experts.down_proj\" of model.safetensors has shape [8, 48, 96]; [8, 96, 48] is expected by config.json", message, StringComparison.Ordinal);
    }

    /// <summary>The FP8 model with the scales of its 128 × 128 blocks repeated for each row.</summary>
    private static CheckpointCopy WithScalesOfRows()
    {
        CheckpointCopy copy = new(Repository.Model(Fp8));
        copy.Config["quantization_config"]!["weight_block_size"] = new JsonArray(1, 128);
        foreach (string name in copy.Tensors.Keys.Where(name => name.EndsWith("_scale_inv", StringComparison.Ordinal)).ToArray())
        {
            CopiedTensor scales = copy.Take(name);
            float[] blocks = scales.Floats();
            (int rows, int columns) = ((int)copy.Tensors[name[..^"_scale_inv".Length]].Shape[0], (int)scales.Shape[1]);
            copy.Tensors.Add(name, CopiedTensor.Of([rows, columns], [.. Enumerable.Range(0, rows).SelectMany(row => blocks.AsSpan(row / 128 * columns, columns).ToArray())]));
        }

        return copy;
    }
}
