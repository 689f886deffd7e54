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
    private const string InputIds = "input_ids";
    private const string GreedyIds = "greedy_ids";

    private readonly SafetensorsFile _file;
    private readonly List<int[]> _prompts = [];
    private readonly List<string[]> _outputs = [];
    private readonly int _vocabulary;

    /// <summary>Opens the file and checks its prompts.</summary>
    /// <param name="path">A safetensors file.</param>
    /// <param name="vocabulary">Ids must be below this.</param>
    /// <exception cref="UserErrorException">
    /// The file cannot be read, has no prompts, a prompt is not a list of ids, or a tensor belongs to none of the prompts.
    /// </exception>
    public GoldenFile(string path, int vocabulary)
    {
        _vocabulary = vocabulary;
        _file = SafetensorsFile.Open(path);
        try
        {
            ReadPrompts();
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>The file.</summary>
    public string Path => _file.Path;

    /// <summary>Token ids of each prompt.</summary>
    public IReadOnlyList<int[]> Prompts => _prompts;

    /// <summary>Names of all tensors of a prompt that have values, but its ids and its greedy continuation, without the prompt's prefix, in ordinal order.</summary>
    public IReadOnlyList<string> Outputs(int prompt) => _outputs[prompt];

    /// <summary>A tensor of a prompt, or null where the file has none of that name.</summary>
    public StoredTensor? Tensor(int prompt, string name) =>
        _file.TryGet($"prompts.{prompt}.{name}", out StoredTensor? tensor) ? tensor : null;

    /// <summary>The greedy continuation of a prompt; empty where the file has none.</summary>
    public int[] Greedy(int prompt) => Tensor(prompt, GreedyIds) is { } ids ? Ids(ids) : [];

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

    private void ReadPrompts()
    {
        while (_file.TryGet($"prompts.{_prompts.Count}.{InputIds}", out StoredTensor? ids))
        {
            _prompts.Add(Ids(ids));
        }

        if (_prompts.Count == 0)
        {
            throw new UserErrorException($"{Path}: there is no tensor \"prompts.0.{InputIds}\"; outputs of a reference implementation are expected");
        }

        HashSet<string> others = [.. _file.Tensors.Select(tensor => tensor.Name)];
        for (int prompt = 0; prompt < _prompts.Count; prompt++)
        {
            string prefix = $"prompts.{prompt}.";
            string[] names = [.. others.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
            others.ExceptWith(names);
            _outputs.Add([.. names.Select(name => name[prefix.Length..]).Where(name => name is not (InputIds or GreedyIds) && Tensor(prompt, name)!.Bytes > 0)]);
        }

        // A file whose prompts are numbered with a gap would pass by those before it.
        if (others.Min(StringComparer.Ordinal) is { } other)
        {
            throw new UserErrorException(
                $"{Path}: tensor \"{other}\" belongs to no prompt: there is no \"prompts.{_prompts.Count}.{InputIds}\", so names begin with a prompt's number below {_prompts.Count}, as \"prompts.0.\" does");
        }
    }

    private int[] Ids(StoredTensor tensor)
    {
        int[] ids = Integers(tensor);
        int wrong = Array.FindIndex(ids, id => (uint)id >= (uint)_vocabulary);
        if (tensor.Shape.Length != 1 || ids.Length == 0 || wrong >= 0)
        {
            throw new UserErrorException(
                $"{tensor.File.Path}: tensor \"{tensor.Name}\" {tensor.ShapeText}"
                + (wrong >= 0 ? $" holds {ids[wrong]} at {wrong}" : "") + $"; a list of ids below {_vocabulary} is expected");
        }

        return ids;
    }
}
