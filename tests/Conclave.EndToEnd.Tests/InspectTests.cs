using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

public sealed class InspectTests
{
    [Fact]
    public void The_bundled_model_is_described_and_counted()
    {
        CliResult text = Cli.Run("inspect", Repository.Fable);
        Assert.Equal((0, ""), (text.Code, text.Error));
        Assert.Contains("deepseek_v3: 5 layers (1 dense, 4 mixture of experts) and 1 for multi-token prediction", text.Output);

        using JsonDocument json = JsonDocument.Parse(Cli.Run("inspect", Repository.Fable, "--json", "--tensors").Output);
        JsonElement root = json.RootElement;

        // 2 embeddings of 8192 × 256; routed experts 4 · 64 · 3 · 256 · 64, of which 6 of 64 are active.
        const long routed = 4L * 64 * 3 * 256 * 64;
        long parameters = root.GetProperty("parameters").GetInt64();
        Assert.Equal(parameters - routed + (routed * 6 / 64), root.GetProperty("active_parameters").GetInt64());
        Assert.Equal(5 * (128 + 16) * 4, root.GetProperty("cache_bytes_per_token_f32").GetInt64());
        long bytes = root.GetProperty("tensors").EnumerateArray().Sum(tensor => tensor.GetProperty("bytes").GetInt64());
        Assert.Equal(bytes, root.GetProperty("bytes").GetInt64());
        Assert.Equal(bytes, root.GetProperty("kinds").EnumerateArray().Sum(kind => kind.GetProperty("bytes").GetInt64()));
        Assert.DoesNotContain(root.GetProperty("kinds").EnumerateArray(), kind => kind.GetProperty("kind").GetString() == "other");
        Assert.Equal(
            parameters + root.GetProperty("mtp_parameters").GetInt64(),
            root.GetProperty("tensors").EnumerateArray().Where(tensor => !tensor.GetProperty("name").GetString()!.EndsWith("_scale_inv", StringComparison.Ordinal))
                .Sum(tensor => tensor.GetProperty("shape").EnumerateArray().Aggregate(1L, (product, side) => product * side.GetInt64())));
    }

    [Fact]
    public void Damaged_weights_are_found()
    {
        using TemporaryFolder folder = new();
        File.Copy(Path.Combine(Repository.Fable, "config.json"), folder.File("config.json"));
        byte[] bytes = File.ReadAllBytes(Path.Combine(Repository.Fable, "model.safetensors"));
        int header = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        const string name = "model.layers.2.mlp.experts.7.up_proj.weight";
        using JsonDocument json = JsonDocument.Parse(bytes.AsMemory(8, header));
        long begin = json.RootElement.GetProperty(name).GetProperty("data_offsets")[0].GetInt64();
        bytes[8 + header + begin + 1234] = 0xFF;
        bytes[8 + header + begin + 2345] = 0x7F;


        // The last element of a norm, in BF16 or F32, becomes infinite or NaN: the exponent is in the upper two bytes of both.
        long end = json.RootElement.GetProperty("model.norm.weight").GetProperty("data_offsets")[1].GetInt64();
        (bytes[8 + header + end - 2], bytes[8 + header + end - 1]) = (0x80, 0xFF);
        folder.Write("model.safetensors", bytes);

        CliResult damaged = Cli.Run("inspect", folder.Path, "--scan");
        Assert.Equal(1, damaged.Code);
        Assert.Contains("\"model.norm.weight\" [256]: 1 NaN or infinite, the first at element 255", damaged.Output);
        Assert.Contains($"\"{name}\" [64, 256]: 2 NaN codes, the first at element 1,234", damaged.Output);
        CliResult sound = Cli.Run("inspect", Repository.Fable, "--scan");
        Assert.Equal(0, sound.Code);
        Assert.Contains("no NaN codes", sound.Output);
    }

    [Fact]
    public void Line_feeds_in_the_name_of_a_tensor_begin_no_line()
    {
        using TemporaryFolder folder = new();
        folder.Write("config.json", File.ReadAllBytes(Path.Combine(Repository.Fable, "config.json")));
        byte[] bytes = File.ReadAllBytes(Path.Combine(Repository.Fable, "model.safetensors"));
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        string renamed = Encoding.UTF8.GetString(bytes, sizeof(long), length).Replace("\"model.norm.weight\"", "\"model.norm\\nweight\"", StringComparison.Ordinal);
        byte[] header = new byte[sizeof(long) + Encoding.UTF8.GetByteCount(renamed)];
        BinaryPrimitives.WriteInt64LittleEndian(header, header.Length - sizeof(long));
        Encoding.UTF8.GetBytes(renamed, header.AsSpan(sizeof(long)));
        folder.Write("model.safetensors", [.. header, .. bytes.AsSpan(sizeof(long) + length)]);
        CliResult inspected = Cli.Run("inspect", folder.Path, "--tensors");
        Assert.Equal((0, ""), (inspected.Code, inspected.Error));
        Assert.Contains(inspected.Lines, line => line.Contains("model.norm\\u000aweight", StringComparison.Ordinal) && line.Contains("[256]", StringComparison.Ordinal));

        // The list of what is wrong with tensors has a line for each of them.
        CliResult run = Cli.Run("generate", "a", "--model", folder.Path);
        Assert.Equal((2, ""), (run.Code, run.Output));
        string[] lines = run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.StartsWith($"error: {folder.Path}: ", lines[0], StringComparison.Ordinal);
        Assert.All(lines[1..], line => Assert.StartsWith("  ", line, StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.TrimStart().StartsWith("weight", StringComparison.Ordinal));
    }

    [Fact]
    public void A_synthetic_checkpoint_is_a_checkpoint()
    {
        using TemporaryFolder folder = new();
        string directory = folder.File("synthetic");
        CliResult written = Cli.Run("synth", "--shape", "fable", "--layers", "2", "--format", "fp8", "--out", directory);
        Assert.Equal((0, ""), (written.Code, written.Error));
        CliResult inspected = Cli.Run("inspect", directory, "--scan");
        Assert.Equal((0, ""), (inspected.Code, inspected.Error));
        Assert.Contains("2 layers (1 dense, 1 mixture of experts)", inspected.Output);
        CliResult again = Cli.Run("synth", "--shape", "fable", "--layers", "2", "--out", directory);
        Assert.Equal(2, again.Code);
        Assert.Contains(directory, again.Error);
    }
}
