using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>
/// The outputs of a reference implementation: for prompt i <c>prompts.{i}.input_ids</c> [T] and any of <c>.embedding</c>, <c>.layers.{l}.output</c>,
/// <c>.final_norm</c> [T, H], <c>.logits</c> [T, V], <c>.layers.{l}.router.indices</c> and <c>.weights</c> [T, k], <c>.mtp.logits</c> [T − 1, V] and
/// <c>.greedy_ids</c>, the greedy continuation.
/// </summary>
public sealed class GoldenFile : IDisposable
{
    private readonly SafetensorsFile _file;

    /// <summary>Opens the file and checks its prompts.</summary>
    /// <param name="path">A safetensors file.</param>
    /// <param name="vocabulary">Ids must be below this.</param>
    /// <exception cref="UserErrorException">The file cannot be read, has no prompts, or a prompt is not a list of ids.</exception>
    public GoldenFile(string path, int vocabulary)
    {
        _file = SafetensorsFile.Open(path);
        List<int[]> prompts = [];
        while (_file.TryGet($"prompts.{prompts.Count}.input_ids", out StoredTensor? ids))
        {
            prompts.Add(Ids(ids, vocabulary));
        }

        Prompts = prompts;
        if (prompts.Count == 0)
        {
            throw new UserErrorException($"{path}: there is no tensor \"prompts.0.input_ids\"; outputs of a reference implementation are expected");
        }

        Vocabulary = vocabulary;
    }

    /// <summary>Token ids of each prompt.</summary>
    public IReadOnlyList<int[]> Prompts { get; }

    private int Vocabulary { get; }

    /// <summary>A tensor of a prompt, or null where the file has none of that name.</summary>
    public StoredTensor? Tensor(int prompt, string name) =>
        _file.TryGet($"prompts.{prompt}.{name}", out StoredTensor? tensor) ? tensor : null;

    /// <summary>The greedy continuation of a prompt; empty where the file has none.</summary>
    public int[] Greedy(int prompt) => Tensor(prompt, "greedy_ids") is { } ids ? Ids(ids, Vocabulary) : [];

    /// <summary>Whether the file has outputs of the multi-token prediction layer.</summary>
    public bool HasMtp => Enumerable.Range(0, Prompts.Count).Any(prompt => Tensor(prompt, "mtp.logits") is not null);

    /// <summary>The values of a tensor of integers.</summary>
    public static unsafe int[] Integers(StoredTensor tensor)
    {
        int count = checked((int)(tensor.Bytes / tensor.Format.Size()));
        int[] values = new int[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = tensor.Format switch
            {
                ElementFormat.I64 => (int)Math.Clamp(((long*)tensor.Data)[i], int.MinValue, int.MaxValue),
                ElementFormat.I32 => ((int*)tensor.Data)[i],
                _ => throw new UserErrorException(
                    $"{tensor.File.Path}: tensor \"{tensor.Name}\" is {tensor.Format}; I64 or I32 is expected"),
            };
        }

        return values;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static int[] Ids(StoredTensor tensor, int vocabulary)
    {
        int[] ids = Integers(tensor);
        int wrong = Array.FindIndex(ids, id => (uint)id >= (uint)vocabulary);
        if (tensor.Shape.Length != 1 || ids.Length == 0 || wrong >= 0)
        {
            throw new UserErrorException(
                $"{tensor.File.Path}: tensor \"{tensor.Name}\" {tensor.ShapeText}"
                + (wrong >= 0 ? $" holds {ids[wrong]} at {wrong}" : "") + $"; a list of ids below {vocabulary} is expected");
        }

        return ids;
    }
}
