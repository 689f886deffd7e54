using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>The activations of one step, allocated once for the largest step; views are cut to the rows that a step has.</summary>
internal sealed unsafe class Workspace : IDisposable
{
    private readonly List<NativeBuffer> _buffers = [];
    private readonly TensorView _residual;
    private readonly TensorView _normalized;
    private readonly TensorView _sublayer;
    private readonly TensorView _shared;
    private readonly TensorView _query;
    private readonly TensorView _attention;
    private readonly TensorView _cos;
    private readonly TensorView _sin;
    private readonly TensorView _scores;
    private readonly TensorView _expertOutput;
    private readonly TensorView _joined;
    private readonly TensorView _expertIds;
    private readonly TensorView _expertWeights;
    private readonly int _expertsPerToken;

    public Workspace(ModelConfig config, int maxTokens, int maxExpertRows, bool withMtp)
    {
        MaxTokens = maxTokens;
        int hidden = config.HiddenSize;
        _expertsPerToken = config.ExpertsPerToken;
        _residual = Allocate(maxTokens, hidden);
        _normalized = Allocate(maxTokens, hidden);
        _sublayer = Allocate(maxTokens, hidden);
        _shared = Allocate(maxTokens, hidden);
        _query = Allocate(maxTokens, config.Heads * (config.NopeDim + config.RopeDim));
        _attention = Allocate(maxTokens, config.Heads * config.ValueDim);
        _cos = Allocate(maxTokens, config.RopeDim / 2);
        _sin = Allocate(maxTokens, config.RopeDim / 2);
        _scores = Allocate(maxTokens, config.RoutedExperts);
        _expertOutput = Allocate(maxExpertRows, hidden);
        _expertIds = Allocate(maxTokens, _expertsPerToken);
        _expertWeights = Allocate(maxTokens, _expertsPerToken);
        _joined = Allocate(withMtp ? maxTokens : 0, 2 * hidden);
    }

    public int MaxTokens { get; }

    /// <summary>The residual stream [T, H].</summary>
    public TensorView Residual(int tokens) => _residual.SliceRows(0, tokens);

    /// <summary>The input of a sublayer [T, H]; after the last layer, the final norm.</summary>
    public TensorView Normalized(int tokens) => _normalized.SliceRows(0, tokens);

    /// <summary>The output of a sublayer [T, H].</summary>
    public TensorView Sublayer(int tokens) => _sublayer.SliceRows(0, tokens);

    /// <summary>The output of the shared expert [T, H].</summary>
    public TensorView Shared(int tokens) => _shared.SliceRows(0, tokens);

    /// <summary>Queries of all heads.</summary>
    public TensorView Query(int tokens) => _query.SliceRows(0, tokens);

    /// <summary>Attention's values of all heads.</summary>
    public TensorView Attention(int tokens) => _attention.SliceRows(0, tokens);

    /// <summary>Cosines of the step's positions.</summary>
    public TensorView Cos(int tokens) => _cos.SliceRows(0, tokens);

    /// <summary>Sines of the step's positions.</summary>
    public TensorView Sin(int tokens) => _sin.SliceRows(0, tokens);

    /// <summary>Router logits, then scores [T, experts].</summary>
    public TensorView Scores(int tokens) => _scores.SliceRows(0, tokens);

    /// <summary>Outputs of experts, by sorted row.</summary>
    public TensorView ExpertOutput(int rows) => _expertOutput.SliceRows(0, rows);

    /// <summary>The two inputs of an MTP layer side by side [T, 2H].</summary>
    public TensorView Joined(int tokens) => _joined.SliceRows(0, tokens);

    /// <summary>The experts of the step's tokens.</summary>
    public Routing Routing(int tokens) =>
        new((int*)_expertIds.Data, (float*)_expertWeights.Data, tokens, _expertsPerToken);

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
