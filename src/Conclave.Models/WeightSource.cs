using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// Where the parts of a model take their weights: matrices stay where the checkpoint is mapped, vectors (norms, biases) are widened to binary32 once.
/// </summary>
internal sealed unsafe class WeightSource(Checkpoint checkpoint, Codec codec) : IDisposable
{
    private readonly List<NativeBuffer> _vectors = [];
    private readonly CheckpointProblems _problems = new(checkpoint.Directory);
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);

    /// <summary>A projection [rows, columns] in its stored format.</summary>
    public TensorView Matrix(string name, int rows, int columns)
    {
        _asked.Add(name);
        return checkpoint.WeightMatrix(name, rows, columns, _problems);
    }

    /// <summary>Some rows of a projection [rows, columns]; nothing else of it is read.</summary>
    public TensorView Rows(string name, int rows, int columns, int first, int count)
    {
        TensorView whole = Matrix(name, rows, columns);
        return whole.Rows == rows ? whole.SliceRows(first, count) : default;
    }

    /// <summary>A vector as one row of binary32.</summary>
    public TensorView Vector(string name, int length)
    {
        _asked.Add(name);
        TensorView stored = checkpoint.Vector(name, length, _problems);
        _vectors.Add(NativeBuffer.ForF32(1, length, out TensorView view));
        if (stored.Columns == length)
        {
            codec.Decode(stored, 0, view.RowF32(0));
        }

        return view;
    }

    /// <summary>True where the checkpoint has the tensor.</summary>
    public bool Has(string name) => checkpoint.TryGet(name, out _);

    /// <summary>The three matrices of a gated MLP.</summary>
    public MlpWeights Mlp(string prefix, int hidden, int intermediate) => new(
        Matrix($"{prefix}.gate_proj.weight", intermediate, hidden),
        Matrix($"{prefix}.up_proj.weight", intermediate, hidden),
        Matrix($"{prefix}.down_proj.weight", hidden, intermediate));

    /// <summary>
    /// The gated MLPs of some experts of a layer: from three matrices for each, as released, or from two tensors with those of all experts, gate above up, as transformers 5 writes
    /// them where it is not asked for the released layout.
    /// </summary>
    public MlpWeights[] Experts(string prefix, ModelConfig config, IReadOnlyList<int> experts)
    {
        (int hidden, int width) = (config.HiddenSize, config.MoeIntermediateSize);
        string gatesAndUps = $"{prefix}.gate_up_proj";
        if (!Has(gatesAndUps))
        {
            return [.. experts.Select(expert => Mlp($"{prefix}.{expert}", hidden, width))];
        }

        TensorView[] gateUp = Matrices(gatesAndUps, config.RoutedExperts, 2 * width, hidden);
        TensorView[] down = Matrices($"{prefix}.down_proj", config.RoutedExperts, hidden, width);
        return gateUp.Length == 0 || down.Length == 0 ? [] :
            [.. experts.Select(expert => new MlpWeights(gateUp[expert].SliceRows(0, width), gateUp[expert].SliceRows(width, width), down[expert]))];
    }

    /// <summary>
    /// Notes the tensors of the model, its multi-token prediction layers left out, that nobody has asked for and that would change what it computes: biases, norms that config.json does
    /// not tell of. To be called when everything else was asked for.
    /// </summary>
    public void RefuseUnread(ModelConfig config)
    {
        foreach (StoredTensor tensor in checkpoint.Tensors)
        {
            if (UnreadTensors.Matter(tensor, config, _asked))
            {
                _problems.Add($"tensor \"{tensor.Name}\" of {Path.GetFileName(tensor.File.Path)} is no part of the model that config.json describes; such a model is not supported");
            }
        }
    }

    /// <summary>Complains about all tensors that were asked for and are missing or misshapen.</summary>
    public void ThrowIfIncomplete() => _problems.ThrowIfAny();

    public void Dispose()
    {
        foreach (NativeBuffer vector in _vectors)
        {
            vector.Dispose();
        }
    }

    private TensorView[] Matrices(string name, int count, int rows, int columns)
    {
        _asked.Add(name);
        return checkpoint.WeightMatrices(name, count, rows, columns, _problems);
    }
}
