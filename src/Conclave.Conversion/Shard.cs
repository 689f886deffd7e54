using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Conversion;

/// <summary>One file of a synthetic checkpoint.</summary>
internal sealed class Shard
{
    private const int ChunkBytes = 1 << 25;
    private const int PieceBytes = 1 << 20;

    private readonly SyntheticTensor[] _tensors;

    private Shard(string fileName, SyntheticTensor[] tensors)
    {
        FileName = fileName;
        _tensors = tensors;
        Declarations = [.. tensors.Select(tensor => tensor.Declaration)];
    }

    public static IReadOnlyDictionary<string, string> Metadata { get; } =
        new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" };

    public string FileName { get; }

    public IReadOnlyList<TensorDeclaration> Declarations { get; }

    /// <summary>Cuts a model into files, in the order of its layers; in a file wide elements come first, so that all are aligned.</summary>
    public static List<Shard> Plan(IEnumerable<SyntheticTensor> tensors, long shardBytes)
    {
        List<List<SyntheticTensor>> groups = [[]];
        long bytes = 0;
        foreach (SyntheticTensor tensor in tensors)
        {
            long size = tensor.Declaration.Bytes;
            if (bytes > 0 && bytes + size > shardBytes)
            {
                groups.Add([]);
                bytes = 0;
            }

            groups[^1].Add(tensor);
            bytes += size;
        }

        return [.. groups.Select((group, i) => new Shard(
            groups.Count == 1 ? "model.safetensors" : $"model-{i + 1:D5}-of-{groups.Count:D5}.safetensors",
            [.. group.OrderByDescending(tensor => tensor.Declaration.Format.Size())]))];
    }

    /// <summary>Writes the index of several files; a single file needs none.</summary>
    public static void WriteIndex(string directory, List<Shard> shards)
    {
        if (shards.Count == 1)
        {
            return;
        }

        JsonFile.Write(directory, "model.safetensors.index.json", json =>
        {
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", shards.Sum(shard => shard.Declarations.Sum(tensor => tensor.Bytes)));
            json.WriteEndObject();
            json.WriteStartObject("weight_map");
            foreach (Shard shard in shards)
            {
                foreach (TensorDeclaration tensor in shard.Declarations)
                {
                    json.WriteString(tensor.Name, shard.FileName);
                }
            }

            json.WriteEndObject();
        });
    }

    /// <summary>Writes the file; one chunk is drawn, on all cores, while the one before goes to disk.</summary>
    public void Write(string directory, Action<long> report, CancellationToken cancellation)
    {
        using SafetensorsWriter writer = new(Path.Combine(directory, FileName), Declarations, Metadata);
        byte[][] buffers = [new byte[ChunkBytes], new byte[ChunkBytes]];
        Task writing = Task.CompletedTask;
        int turn = 0;
        try
        {
            foreach (List<Piece> chunk in Chunks())
            {
                cancellation.ThrowIfCancellationRequested();
                byte[] buffer = buffers[turn++ % 2];
                Parallel.ForEach(chunk, piece => piece.Tensor.Fill(buffer.AsSpan(piece.At, piece.Bytes), piece.Offset));
                writing.GetAwaiter().GetResult();
                int bytes = chunk[^1].At + chunk[^1].Bytes;
                writing = Task.Run(() => writer.Append(buffer.AsSpan(0, bytes)), CancellationToken.None);
                report(bytes);
            }
        }
        finally
        {
            // The writer may not be closed under a write that is still going on, also when this ends with an error.
            ((IAsyncResult)writing).AsyncWaitHandle.WaitOne();
        }

        writing.GetAwaiter().GetResult();
        writer.Complete();
    }

    private IEnumerable<List<Piece>> Chunks()
    {
        List<Piece> chunk = [];
        int at = 0;
        foreach (SyntheticTensor tensor in _tensors)
        {
            int bytes;
            for (long offset = 0; offset < tensor.Declaration.Bytes; offset += bytes)
            {
                bytes = (int)Math.Min(PieceBytes, tensor.Declaration.Bytes - offset);
                if (at + bytes > ChunkBytes)
                {
                    yield return chunk;
                    chunk = [];
                    at = 0;
                }

                chunk.Add(new Piece(tensor, offset, at, bytes));
                at += bytes;
            }
        }

        if (chunk.Count > 0)
        {
            yield return chunk;
        }
    }

    private readonly record struct Piece(SyntheticTensor Tensor, long Offset, int At, int Bytes);
}
