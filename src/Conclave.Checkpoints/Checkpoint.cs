using System.Diagnostics.CodeAnalysis;
using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>
/// A checkpoint directory as Hugging Face lays it out: <c>config.json</c> and one <c>model.safetensors</c>, or shards with
/// <c>model.safetensors.index.json</c>. It owns all mappings; views of its tensors are valid until it is disposed.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    private readonly SafetensorsFile[] _files;
    private readonly Dictionary<string, StoredTensor> _tensors;
    private readonly CancellationTokenSource _disposal = new();
    private Task<int>? _promotion;
    private bool _disposed;

    private Checkpoint(string directory, ModelConfig config, SafetensorsFile[] files, Dictionary<string, StoredTensor> tensors)
    {
        Directory = directory;
        Config = config;
        _files = files;
        _tensors = tensors;
    }

    /// <summary>The directory it was opened from.</summary>
    public string Directory { get; }

    /// <summary>What <c>config.json</c> says.</summary>
    public ModelConfig Config { get; }

    /// <summary>The mapped files.</summary>
    public IReadOnlyList<SafetensorsFile> Files => _files;

    /// <summary>All tensors, in no particular order.</summary>
    public IReadOnlyCollection<StoredTensor> Tensors => _tensors.Values;

    internal WidenedScales WidenedScales { get; } = new();

    /// <summary>Reads the configuration, then maps all files and checks their headers, in parallel.</summary>
    /// <param name="directory">The folder of the checkpoint.</param>
    /// <param name="progress">Told after each file; may be called from any thread.</param>
    /// <exception cref="UserErrorException">Something is missing or malformed; the message names file, tensor or JSON path, and value.</exception>
    public static Checkpoint Open(string directory, IProgress<CheckpointProgress>? progress = null)
    {
        if (!System.IO.Directory.Exists(directory))
        {
            throw new UserErrorException($"{directory}: there is no such folder; the folder of a checkpoint is expected");
        }

        ModelConfig config = ModelConfig.Read(directory);
        ShardIndex index = ShardIndex.Read(directory);
        SafetensorsFile[] files = OpenAll(index.Files, progress);
        try
        {
            return new Checkpoint(directory, config, files, OfLanguageModel(index.Locate(files), config.TensorPrefix));
        }
        catch
        {
            DisposeAll(files);
            throw;
        }
    }

    /// <summary>The tensor of that name.</summary>
    /// <exception cref="UserErrorException">The checkpoint has no such tensor.</exception>
    public StoredTensor Get(string name) =>
        TryGet(name, out StoredTensor? tensor) ? tensor : throw new UserErrorException($"{Directory}: tensor \"{name}\" is missing; it is expected among the {_tensors.Count} of the checkpoint");

    /// <summary>The tensor of that name, if the checkpoint has it.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out StoredTensor? tensor) => _tensors.TryGetValue(name, out tensor);

    /// <summary>
    /// A weight matrix of <paramref name="rows"/> × <paramref name="columns"/>, in F32, F16, BF16 or FP8 E4M3. An FP8 matrix
    /// <c>x.weight</c> carries the scales <c>x.weight_scale_inv</c> or <c>x.weight_scale</c>, one for each block of
    /// <see cref="ModelConfig.ScaleBlock"/>, the last of a row or column partial, or one for the whole matrix, in F32, F16, BF16 or F8_E8M0;
    /// where config.json has no quantization_config its codes are the values themselves.
    /// </summary>
    /// <param name="name">The tensor.</param>
    /// <param name="rows">Expected rows.</param>
    /// <param name="columns">Expected columns.</param>
    /// <param name="problems">Collects what is wrong; the default view is returned then. Null: wrong tensors throw.</param>
    /// <exception cref="UserErrorException">
    /// The tensor or its scales are missing, misshapen, of another format, or a scale is negative, infinite or NaN, and
    /// <paramref name="problems"/> is null.
    /// </exception>
    public TensorView WeightMatrix(string name, nint rows, nint columns, CheckpointProblems? problems = null) =>
        Ask(problems, asked => WeightReader.Matrix(this, name, rows, columns, asked));

    /// <summary>
    /// The matrices of one shape that lie in one tensor [<paramref name="count"/>, <paramref name="rows"/>, <paramref name="columns"/>]; otherwise as
    /// <see cref="WeightMatrix"/>. The block scales of FP8 codes have three dimensions too: each matrix has blocks of its own.
    /// </summary>
    /// <param name="name">The tensor.</param>
    /// <param name="count">Expected matrices.</param>
    /// <param name="rows">Expected rows of each.</param>
    /// <param name="columns">Expected columns of each.</param>
    /// <param name="problems">Collects what is wrong; no matrices are returned then. Null: wrong tensors throw.</param>
    /// <exception cref="UserErrorException">As for <see cref="WeightMatrix"/>.</exception>
    public TensorView[] WeightMatrices(string name, nint count, nint rows, nint columns, CheckpointProblems? problems = null) =>
        Ask(problems, asked => WeightReader.Matrices(this, name, count, rows, columns, asked));

    /// <summary>A vector of <paramref name="length"/> elements in F32, F16 or BF16, as a matrix of one row.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="length">Expected elements.</param>
    /// <param name="problems">Collects what is wrong; the default view is returned then. Null: wrong tensors throw.</param>
    /// <exception cref="UserErrorException">
    /// The tensor is missing, misshapen or of another format, and <paramref name="problems"/> is null.
    /// </exception>
    public TensorView Vector(string name, nint length, CheckpointProblems? problems = null) =>
        Ask(problems, asked => WeightReader.Vector(this, name, length, asked));

    /// <summary>
    /// Turns what the system's cache has of the files in small pages into huge ones, in the background and while they are in use. Does what it can, which on some
    /// systems is nothing; what it is worth is in docs/benchmarks.md, "Huge pages".
    /// </summary>
    /// <param name="stayMapped">Whether pages may stay mapped that nothing has used yet; false where others use most of the weights.</param>
    /// <returns>How many huge pages came into being; a second call returns the same task.</returns>
    public Task<int> PromotePages(bool stayMapped) =>
        _promotion ??= Task.Factory.StartNew(
            () =>
            {
                try
                {
                    return _files.Sum(file => file.PromotePages(stayMapped, _disposal.Token));
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // A sandbox without /proc, or a file that was removed meanwhile.
                    return 0;
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Whether the files are larger than the memory that this process may use.</summary>
    public bool ExceedsMemory => _files.Sum(file => file.Length) > MachineMemory.Limit;

    /// <summary>Unmaps all files: every view of their tensors is invalid from here on.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _disposal.Cancel();
        _promotion?.Wait();
        DisposeAll(_files);
        WidenedScales.Dispose();
        _disposal.Dispose();
    }

    private T Ask<T>(CheckpointProblems? problems, Func<CheckpointProblems, T> read)
    {
        CheckpointProblems asked = problems ?? new CheckpointProblems(Directory);
        T views = read(asked);
        if (problems is null)
        {
            asked.ThrowIfAny();
        }

        return views;
    }

    private static Dictionary<string, StoredTensor> OfLanguageModel(Dictionary<string, StoredTensor> tensors, string prefix) => prefix.Length == 0
        ? tensors
        : tensors.Where(tensor => tensor.Key.StartsWith(prefix, StringComparison.Ordinal))
            .Select(tensor => tensor.Value.Named(tensor.Key[prefix.Length..]))
            .ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);

    private static SafetensorsFile[] OpenAll(IReadOnlyList<string> paths, IProgress<CheckpointProgress>? progress)
    {
        SafetensorsFile?[] files = new SafetensorsFile?[paths.Count];
        UserErrorException?[] errors = new UserErrorException?[paths.Count];
        int opened = 0;
        try
        {
            Parallel.For(0, paths.Count, i =>
            {
                try
                {
                    files[i] = SafetensorsFile.Open(paths[i]);
                    progress?.Report(new CheckpointProgress(Interlocked.Increment(ref opened), paths.Count));
                }
                catch (UserErrorException e)
                {
                    errors[i] = e;
                }
            });

            if (Array.Find(errors, error => error is not null) is { } first)
            {
                throw first;
            }

            return files!;
        }
        catch
        {
            DisposeAll(files);
            throw;
        }
    }

    private static void DisposeAll(SafetensorsFile?[] files)
    {
        foreach (SafetensorsFile? file in files)
        {
            file?.Dispose();
        }
    }
}
