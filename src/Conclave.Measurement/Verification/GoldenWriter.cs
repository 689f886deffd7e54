using System.Runtime.InteropServices;
using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>Writes what was computed under the names of a golden file.</summary>
public static class GoldenWriter
{
    /// <summary>Writes a safetensors file.</summary>
    /// <param name="path">The file; replaced if it exists.</param>
    /// <param name="prompts">Token ids of each prompt.</param>
    /// <param name="outputs">What was computed for each prompt.</param>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    public static void Write(string path, IReadOnlyList<int[]> prompts, IReadOnlyList<PromptOutputs> outputs)
    {
        List<(TensorDeclaration Tensor, byte[] Bytes)> tensors = [];
        for (int prompt = 0; prompt < outputs.Count; prompt++)
        {
            string prefix = $"prompts.{prompt}";
            Add($"{prefix}.input_ids", ElementFormat.I64, Longs(prompts[prompt]), prompts[prompt].Length);
            if (outputs[prompt].Greedy.Count > 0)
            {
                Add($"{prefix}.greedy_ids", ElementFormat.I64, Longs([.. outputs[prompt].Greedy]), outputs[prompt].Greedy.Count);
            }

            foreach ((string name, int[,] indices) in outputs[prompt].Indices)
            {
                Add($"{prefix}.{name}", ElementFormat.I32, Bytes(indices), indices.GetLength(0), indices.GetLength(1));
            }

            foreach ((string name, float[,] values) in outputs[prompt].Values)
            {
                Add($"{prefix}.{name}", ElementFormat.F32, Bytes(values), values.GetLength(0), values.GetLength(1));
            }
        }

        using SafetensorsWriter writer = new(path, [.. tensors.Select(tensor => tensor.Tensor)]);
        foreach ((_, byte[] bytes) in tensors)
        {
            writer.Append(bytes);
        }

        writer.Complete();

        void Add(string name, ElementFormat format, byte[] bytes, params nint[] shape) =>
            tensors.Add((new TensorDeclaration(name, format, shape), bytes));
    }

    private static byte[] Longs(int[] values) =>
        MemoryMarshal.AsBytes(Array.ConvertAll(values, value => (long)value).AsSpan()).ToArray();

    private static byte[] Bytes(Array values)
    {
        byte[] bytes = new byte[Buffer.ByteLength(values)];
        Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
        return bytes;
    }
}
