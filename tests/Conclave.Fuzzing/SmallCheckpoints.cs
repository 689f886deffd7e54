using System.Runtime.InteropServices;
using Conclave.Checkpoints;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Fuzzing;

/// <summary>Checkpoints of a few hundred bytes, with one tensor of each kind.</summary>
internal static class SmallCheckpoints
{
    private static readonly TensorDeclaration[] Quantized =
    [
        new("a.weight_scale_inv", ElementFormat.F32, 2, 1), new("a.weight", ElementFormat.F8_E4M3, 130, 20), new("empty", ElementFormat.I64, 0, 3),
    ];

    private static readonly TensorDeclaration[] Plain =
    [
        new("norm.weight", ElementFormat.F32, 8), new("b.weight", ElementFormat.BF16, 3, 4), new("scalar", ElementFormat.U8),
    ];

    public static FuzzFile[] OneFile() => [Config(), new("model.safetensors", Bytes([.. Quantized, .. Plain]))];

    public static FuzzFile[] TwoFiles()
    {
        string map = string.Join(", ", Quantized.Select(t => $"\"{t.Name}\": \"x-1.safetensors\"").Concat(Plain.Select(t => $"\"{t.Name}\": \"x-2.safetensors\"")));
        return
        [
            Config(),
            new("model.safetensors.index.json", System.Text.Encoding.UTF8.GetBytes($"{{\"metadata\": {{\"total_size\": 1}}, \"weight_map\": {{{map}}}}}")),
            new("x-1.safetensors", Bytes(Quantized)),
            new("x-2.safetensors", Bytes(Plain)),
        ];
    }

    public static unsafe long Touch(StoredTensor tensor)
    {
        long sum = 0;
        byte* data = tensor.Data;
        for (nint i = 0; i < tensor.Bytes; i++)
        {
            sum += data[i];
        }

        return sum;
    }

    private static FuzzFile Config() => new("config.json", File.ReadAllBytes(Path.Combine(Repository.Data("v3-mtp-fp8"), "config.json")));

    private static byte[] Bytes(TensorDeclaration[] tensors)
    {
        using TemporaryFolder folder = new();
        string path = folder.File("x.safetensors");
        using (SafetensorsWriter writer = new(path, tensors, new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" }))
        {
            writer.Append(MemoryMarshal.AsBytes<float>([0.5f, 2]));
            writer.Append(new byte[tensors.Sum(tensor => tensor.Bytes) - 8]);
            writer.Complete();
        }

        return File.ReadAllBytes(path);
    }
}
