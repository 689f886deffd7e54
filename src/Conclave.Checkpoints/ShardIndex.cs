using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>The files of a checkpoint and, where there are several, which tensor is in which (<c>model.safetensors.index.json</c>).</summary>
internal sealed class ShardIndex
{
    private const string SingleName = "model.safetensors";
    private const string IndexName = "model.safetensors.index.json";

    private readonly string _indexPath;
    private readonly Dictionary<string, int>? _fileOf;

    private ShardIndex(string indexPath, string[] files, Dictionary<string, int>? fileOf)
    {
        _indexPath = indexPath;
        Files = files;
        _fileOf = fileOf;
    }

    /// <summary>Paths of all files.</summary>
    public IReadOnlyList<string> Files { get; }

    public static ShardIndex Read(string directory)
    {
        string single = Path.Combine(directory, SingleName);
        if (File.Exists(single))
        {
            return new ShardIndex(single, [single], null);
        }

        string path = Path.Combine(directory, IndexName);
        if (!File.Exists(path))
        {
            throw new UserErrorException($"{directory}: neither {SingleName} nor {IndexName} is there; a checkpoint in safetensors is expected");
        }

        Dictionary<string, int> fileOf = new(StringComparer.Ordinal);
        List<string> names = [];
        Dictionary<string, int> indexOf = new(StringComparer.Ordinal);
        foreach ((string tensor, JsonCursor value) in JsonCursor.ReadFile(path).Required("weight_map").Members())
        {
            string name = value.String();
            if (!indexOf.TryGetValue(name, out int index))
            {
                CheckName(value, name);
                index = names.Count;
                indexOf.Add(name, index);
                names.Add(name);
            }

            fileOf.Add(tensor, index);
        }

        CheckPresent(directory, path, names);
        return new ShardIndex(path, [.. names.Select(name => Path.Combine(directory, name))], fileOf);
    }

    /// <summary>Finds each tensor in its file.</summary>
    public Dictionary<string, StoredTensor> Locate(SafetensorsFile[] files)
    {
        if (_fileOf is null)
        {
            return files[0].Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        }

        CheckpointProblems problems = new(_indexPath);
        Dictionary<string, StoredTensor> tensors = new(_fileOf.Count, StringComparer.Ordinal);
        foreach ((string name, int file) in _fileOf)
        {
            if (files[file].TryGet(name, out StoredTensor? tensor))
            {
                tensors.Add(name, tensor);
            }
            else
            {
                problems.Add($"tensor \"{name}\" is not in {Path.GetFileName(files[file].Path)}, where $.weight_map puts it");
            }
        }

        problems.ThrowIfAny();
        return tensors;
    }

    // The index decides which files are opened: it may only name neighbours, on every operating system.
    private static void CheckName(JsonCursor value, string name)
    {
        bool isPlain = name.EndsWith(".safetensors", StringComparison.Ordinal) && !name.StartsWith('.')
            && name.Length <= 255 && !name.Any(c => char.IsControl(c) || "/\\:*?\"<>|".Contains(c));
        if (!isPlain)
        {
            throw value.Error($"{value.Describe()}; the name of a .safetensors file in the same folder is expected");
        }
    }

    private static void CheckPresent(string directory, string path, List<string> names)
    {
        if (names.Count == 0)
        {
            throw new UserErrorException($"{path}: $.weight_map: it is empty; the names of tensors and their files are expected");
        }

        string[] missing = [.. names.Where(name => !File.Exists(Path.Combine(directory, name)))];
        if (missing.Length > 0)
        {
            string more = missing.Length > 20 ? $" … and {missing.Length - 20} more" : "";
            throw new UserErrorException(
                $"{path}: {missing.Length} of {names.Count} files are missing: {string.Join(", ", missing.Take(20))}{more}; download them");
        }
    }
}
