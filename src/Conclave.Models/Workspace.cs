using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>The activations of one step, allocated once for the largest step: <see cref="Step.Rows"/> cuts the views to the rows of a step or of one of its micro-batches.</summary>
internal sealed unsafe class Workspace : IDisposable
{
    private readonly List<NativeBuffer> _buffers = [];
    private readonly TensorView[] _expertOutputs;
    private readonly TensorView _expertIds;
    private readonly TensorView _expertWeights;
    private readonly int _expertsPerToken;

    public Workspace(ModelConfig config, int heads, int maxTokens, IEnumerable<int> maxExpertRows, bool withMtp)
    {
        MaxTokens = maxTokens;
        int hidden = config.HiddenSize;
        _expertsPerToken = config.ExpertsPerToken;
        Residual = Allocate(maxTokens, hidden);
        Normalized = Allocate(maxTokens, hidden);
        Sublayer = Allocate(maxTokens, hidden);
        Shared = Allocate(maxTokens, hidden);
        Query = Allocate(maxTokens, heads * (config.NopeDim + config.RopeDim));
        Attention = Allocate(maxTokens, config.Heads * config.ValueDim);
        Cos = Allocate(maxTokens, config.RopeDim / 2);
        Sin = Allocate(maxTokens, config.RopeDim / 2);
        Scores = Allocate(maxTokens, config.RoutedExperts);
        _expertOutputs = [.. maxExpertRows.Select(rows => Allocate(rows, hidden))];
        _expertIds = Allocate(maxTokens, _expertsPerToken);
        _expertWeights = Allocate(maxTokens, _expertsPerToken);
        Joined = Allocate(withMtp ? maxTokens : 0, 2 * hidden);
    }

    public int MaxTokens { get; }

    /// <summary>The residual stream [T, H].</summary>
    public TensorView Residual { get; }

    /// <summary>The input of a sublayer [T, H]; after the last layer, the rows whose logits are wanted, where they have to be gathered.</summary>
    public TensorView Normalized { get; }

    /// <summary>The output of a sublayer [T, H].</summary>
    public TensorView Sublayer { get; }

    /// <summary>The output of the shared expert [T, H].</summary>
    public TensorView Shared { get; }

    /// <summary>Queries of this rank's heads.</summary>
    public TensorView Query { get; }

    /// <summary>Attention's values of all heads.</summary>
    public TensorView Attention { get; }

    /// <summary>Cosines of the step's positions.</summary>
    public TensorView Cos { get; }

    /// <summary>Sines of the step's positions.</summary>
    public TensorView Sin { get; }

    /// <summary>Router logits, then scores [T, experts].</summary>
    public TensorView Scores { get; }

    /// <summary>The two inputs of an MTP layer side by side [T, 2H].</summary>
    public TensorView Joined { get; }

    /// <summary>Outputs of experts, by sorted row; each micro-batch has its own.</summary>
    public TensorView ExpertOutput(int microBatch, int rows) => _expertOutputs[microBatch].SliceRows(0, rows);

    /// <summary>The experts of tokens of the step.</summary>
    public Routing Routing(int first, int tokens) =>
        new((int*)_expertIds.Data + ((nint)first * _expertsPerToken), (float*)_expertWeights.Data + ((nint)first * _expertsPerToken), tokens, _expertsPerToken);

    public void Dispose()
    {
        foreach (NativeBuffer buffer in _buffers)
        {
            buffer.Dispose();
        }
    }

    private TensorView Allocate(nint rows, nint columns)
    {
        _buffers.Add(NativeBuffer.ForF32(rows, columns, out TensorView view));
        return view;
    }
}
