using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Conversion;

/// <summary>
/// Checkpoints of random weights in the released layout, for measuring layers of full size without the released weights. What is in a
/// tensor depends on the seed and its name only.
/// </summary>
public static class SyntheticCheckpoint
{
    // As releases have them.
    private const long ShardBytes = 5_000_000_000;
    private const int ScaleBlock = 128;

    /// <summary>
    /// Writes configuration, tokenizer and weights into a folder: one <c>model.safetensors</c>, or shards with an index. FP8 checkpoints
    /// have block scales and leave embedding, head, norms, routers and eh_proj in BF16, as the releases do.
    /// </summary>
    /// <param name="shape">The model, of <see cref="ReleasedShapes"/> or of your own; its scale block and dtype are set by the format.</param>
    /// <param name="format">F8_E4M3, BF16 or F32.</param>
    /// <param name="directory">The folder; created where it is missing. It may not hold a checkpoint yet.</param>
    /// <param name="seed">Another seed makes other weights.</param>
    /// <param name="progress">Told now and then.</param>
    /// <param name="cancellation">Ends the work; the file that was being written is deleted.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="UserErrorException">The folder holds a checkpoint, cannot be written, or the disk has too little space.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The format is another one.</exception>
    public static SyntheticSummary Write(
        ModelConfig shape,
        ElementFormat format,
        string directory,
        ulong seed = 0,
        IProgress<SyntheticProgress>? progress = null,
        CancellationToken cancellation = default) => Write(shape, format, directory, seed, ShardBytes, progress, cancellation);

    /// <summary>The same with other shards: no file becomes larger than <paramref name="shardBytes"/>, unless it holds one tensor that is.</summary>
    internal static SyntheticSummary Write(
        ModelConfig shape,
        ElementFormat format,
        string directory,
        ulong seed,
        long shardBytes,
        IProgress<SyntheticProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ModelConfig config = shape with
        {
            TorchDtype = format switch
            {
                ElementFormat.F8_E4M3 or ElementFormat.BF16 => "bfloat16",
                ElementFormat.F32 => "float32",
                _ => throw new ArgumentOutOfRangeException(nameof(format), format, "F8_E4M3, BF16 or F32 is expected"),
            },
            ScaleBlock = format == ElementFormat.F8_E4M3 ? (ScaleBlock, ScaleBlock) : null,
        };
        List<Shard> shards = Shard.Plan(new SyntheticTensors(config, format, seed).All(), shardBytes);
        long bytes = shards.Sum(shard => SafetensorsWriter.FileBytes(shard.Declarations, Shard.Metadata));
        PrepareFolder(directory, bytes);

        long written = 0;
        foreach (Shard shard in shards)
        {
            shard.Write(directory, done => progress?.Report(new SyntheticProgress(written += done, bytes)), cancellation);
        }

        Shard.WriteIndex(directory, shards);
        SyntheticTokenizer.Write(directory, config);
        // Last: a folder with a configuration is a whole checkpoint.
        ModelConfigWriter.Write(directory, config);
        long parameters = ReleasedLayout.Tensors(config).Sum(tensor => (long)tensor.Elements);
        return new SyntheticSummary([.. shards.Select(shard => shard.FileName)], bytes, parameters);
    }

    private static void PrepareFolder(string directory, long bytes)
    {
        try
        {
            Directory.CreateDirectory(directory);
            string? taken = Directory.EnumerateFiles(directory).Select(Path.GetFileName)
                .FirstOrDefault(name => name == "config.json" || name!.EndsWith(".safetensors", StringComparison.Ordinal));
            if (taken is not null)
            {
                throw new UserErrorException($"{directory}: {taken} is there already; an empty folder is expected");
            }

            long free = new DriveInfo(Path.GetFullPath(directory)).AvailableFreeSpace;
            if (free < bytes)
            {
                throw new UserErrorException(
                    $"{directory}: the checkpoint takes {bytes} bytes ({Gigabytes(bytes)}), but {free} bytes ({Gigabytes(free)}) are free; " +
                    "choose another folder, fewer layers or a smaller format");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UserErrorException($"{directory}: cannot be written: {e.Message}", e);
        }
    }

    private static string Gigabytes(long bytes) => $"{bytes / 1e9:F1} GB";
}
