using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>One layer: h ← h + Attention(norm(h)); h ← h + FeedForward(norm(h)).</summary>
internal sealed class DecoderLayer(
    WeightSource weights, ModelConfig config, string prefix, MultiHeadLatentAttention attention, FeedForward feedForward)
{
    private readonly float _epsilon = (float)config.NormEpsilon;
    private readonly TensorView _inputNorm = weights.Vector($"{prefix}.input_layernorm.weight", config.HiddenSize);
    private readonly TensorView _attentionNorm = weights.Vector($"{prefix}.post_attention_layernorm.weight", config.HiddenSize);

    /// <summary>Computes the layer on the residual stream in place.</summary>
    public void Forward(in Step step, TensorView residual)
    {
        TensorView normalized = step.Workspace.Normalized(step.Tokens);
        TensorView sublayer = step.Workspace.Sublayer(step.Tokens);

        step.Kernels.RmsNorm.Run(residual, _inputNorm, _epsilon, normalized, step.Team);
        attention.Forward(step, normalized, sublayer);
        step.Add(sublayer, residual);

        step.Kernels.RmsNorm.Run(residual, _attentionNorm, _epsilon, normalized, step.Team);
        feedForward.Forward(step, normalized, sublayer);
        step.Add(sublayer, residual);
    }
}
