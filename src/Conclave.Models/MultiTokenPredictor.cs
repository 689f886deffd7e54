using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// A multi-token prediction layer (DeepSeek-V3, section 2.2): h' = M · [norm(Emb(t_{i+1})); norm(h_i)], one decoder layer, a norm and the shared head;
/// from the main model's state at position i it predicts the token at i + 2.
/// </summary>
internal sealed class MultiTokenPredictor
{
    private readonly float _epsilon;
    private readonly TensorView _embeddingNorm;
    private readonly TensorView _hiddenNorm;
    private readonly TensorView _projection;
    private readonly DecoderLayer _layer;
    private readonly TensorView _headNorm;

    public MultiTokenPredictor(
        WeightSource weights, ModelConfig config, string prefix, DecoderLayer layer, TensorView embedding, TensorView head)
    {
        _epsilon = (float)config.NormEpsilon;
        _layer = layer;
        _embeddingNorm = weights.Vector($"{prefix}.enorm.weight", config.HiddenSize);
        _hiddenNorm = weights.Vector($"{prefix}.hnorm.weight", config.HiddenSize);
        _projection = weights.Matrix($"{prefix}.eh_proj.weight", config.HiddenSize, 2 * config.HiddenSize);
        _headNorm = weights.Vector($"{prefix}.shared_head.norm.weight", config.HiddenSize);

        // Releases repeat the embedding and the head here; where they do not, the main model's serve.
        string ownEmbedding = $"{prefix}.embed_tokens.weight";
        string ownHead = $"{prefix}.shared_head.head.weight";
        Embedding = weights.Has(ownEmbedding) ? weights.Matrix(ownEmbedding, config.VocabularySize, config.HiddenSize) : embedding;
        Head = weights.Has(ownHead) ? weights.Matrix(ownHead, config.VocabularySize, config.HiddenSize) : head;
    }

    /// <summary>Token embedding [V, H].</summary>
    public TensorView Embedding { get; }

    /// <summary>Output head [V, H].</summary>
    public TensorView Head { get; }

    /// <summary>Computes the layer.</summary>
    /// <param name="step">Its batch holds token i + 1 at position i, its residual stream their embedding.</param>
    /// <param name="previous">The main model's hidden states after its final norm [T, H].</param>
    /// <param name="output">What the head is applied to [T, H].</param>
    public void Forward(in Step step, TensorView previous, TensorView output)
    {
        TensorView embedded = step.Rows(step.Workspace.Residual);
        TensorView joined = step.Rows(step.Workspace.Joined);
        nint hidden = embedded.Columns;
        step.Kernels.RmsNorm.Run(embedded, _embeddingNorm, _epsilon, joined.SliceColumns(0, hidden), step.Team);
        step.Kernels.RmsNorm.Run(previous, _hiddenNorm, _epsilon, joined.SliceColumns(hidden, hidden), step.Team);
        step.Kernels.MatMul.Run(_projection, joined, embedded, step.Team);
        _layer.Forward(step);
        step.Kernels.RmsNorm.Run(embedded, _headNorm, _epsilon, output, step.Team);
    }
}
