using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// One layer: h ← h + Attention(norm(h)); h ← h + FeedForward(norm(h)), in three parts, between which a layer with experts has tokens on their way. The parts of two micro-batches may
/// alternate. The second sublayer is computed for the tokens of this rank, and the others' come from their ranks.
/// </summary>
internal sealed class DecoderLayer(
    WeightSource weights, ModelConfig config, string prefix, MultiHeadLatentAttention attention, FeedForward feedForward, RankGroup group)
{
    private readonly float _epsilon = (float)config.NormEpsilon;
    private readonly TensorView _inputNorm = weights.Vector($"{prefix}.input_layernorm.weight", config.HiddenSize);
    private readonly TensorView _attentionNorm = weights.Vector($"{prefix}.post_attention_layernorm.weight", config.HiddenSize);

    /// <summary>Whether tokens travel in this layer.</summary>
    public bool HasExperts => feedForward is MoeLayer;

    /// <summary>Computes the layer on the residual stream in place.</summary>
    public void Forward(in Step step)
    {
        Begin(step);
        Compute(step);
        End(step);
    }

    /// <summary>Computes attention, and sends tokens to their experts.</summary>
    public void Begin(in Step step)
    {
        TensorView residual = step.Rows(step.Workspace.Residual);
        TensorView normalized = step.Rows(step.Workspace.Normalized);
        TensorView sublayer = step.Rows(step.Workspace.Sublayer);

        step.Kernels.RmsNorm.Run(residual, _inputNorm, _epsilon, normalized, step.Team);
        attention.Forward(step, normalized, sublayer);
        step.Add(sublayer, residual);

        Step own = group.OwnTokens(step);
        normalized = own.Rows(own.Workspace.Normalized);
        own.Kernels.RmsNorm.Run(own.Rows(own.Workspace.Residual), _attentionNorm, _epsilon, normalized, own.Team);
        feedForward.Begin(own, normalized);
    }

    /// <summary>Computes the MLP, or the experts on the tokens that have come, and sends their outputs back.</summary>
    public void Compute(in Step step)
    {
        Step own = group.OwnTokens(step);
        feedForward.Compute(own, own.Rows(own.Workspace.Normalized), own.Rows(own.Workspace.Sublayer));
    }

    /// <summary>Takes the outputs that have come back.</summary>
    public void End(in Step step)
    {
        Step own = group.OwnTokens(step);
        TensorView sublayer = own.Rows(own.Workspace.Sublayer);
        feedForward.End(own, sublayer);
        own.Add(sublayer, own.Rows(own.Workspace.Residual));
        group.GatherTokens(step.Rows(step.Workspace.Residual));
    }
}
