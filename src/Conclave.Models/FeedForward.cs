using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>The second sublayer of a decoder layer: output[T, H] from input[T, H], in three parts, which are called one after the other with the same views.</summary>
internal abstract class FeedForward
{
    /// <summary>Starts what has to travel.</summary>
    public virtual void Begin(in Step step, TensorView input)
    {
    }

    /// <summary>Computes.</summary>
    public abstract void Compute(in Step step, TensorView input, TensorView output);

    /// <summary>Waits for what has to come back.</summary>
    public virtual void End(in Step step, TensorView output)
    {
    }
}

/// <summary>One gated MLP for every token.</summary>
internal sealed class DenseMlp(WeightSource weights, ModelConfig config, string prefix) : FeedForward
{
    private readonly MlpWeights[] _mlp = [weights.Mlp(prefix, config.HiddenSize, config.IntermediateSize)];

    /// <inheritdoc/>
    public override void Compute(in Step step, TensorView input, TensorView output) =>
        step.Kernels.ExpertMlp.Run(_mlp, new ExpertRows([0, step.Tokens], []), input, output, step.Team);
}

/// <summary>
/// A mixture of experts (DeepSeekMoE): k routed experts for a token, weighted, plus shared experts that every token passes, which are one MLP of their
/// joint width and are computed while tokens travel.
/// </summary>
internal sealed class MoeLayer : FeedForward
{
    private readonly int _layer;
    private readonly Router _router;
    private readonly IExpertExchange _exchange;
    private readonly ExchangeSlot[] _slots;
    private readonly TensorView _gate;
    private readonly TensorView? _bias;
    private readonly MlpWeights[] _shared;
    private readonly ExpertReader? _reader;

    public MoeLayer(
        WeightSource weights, ModelConfig config, string prefix, int layer, Router router, IExpertExchange exchange, ExchangeSlot[] slots, ExpertReader? reader)
    {
        _layer = layer;
        _router = router;
        _exchange = exchange;
        _slots = slots;
        _gate = weights.Matrix($"{prefix}.gate.weight", config.RoutedExperts, config.HiddenSize);
        if (config.Selection == RouterSelection.NoAuxTc)
        {
            _bias = weights.Vector($"{prefix}.gate.e_score_correction_bias", config.RoutedExperts);
        }

        _reader = reader;
        _shared = config.SharedExperts == 0
            ? []
            : [weights.Mlp($"{prefix}.shared_experts", config.HiddenSize, config.MoeIntermediateSize * config.SharedExperts)];
    }

    /// <inheritdoc/>
    public override void Begin(in Step step, TensorView input)
    {
        TensorView scores = step.Rows(step.Workspace.Scores);
        Routing routing = step.Workspace.Routing(step.FirstRow, step.Tokens);
        step.Kernels.MatMul.Run(_gate, input, scores, step.Team);
        _router.Route(scores, _bias is { } bias ? bias.RowF32(0) : [], routing);
        step.Observer?.Routed(_layer, routing);
        _reader?.Request(_layer, step.Experts.Weights(_layer), step.Experts.Experts(_layer), routing);
        _exchange.BeginDispatch(_slots[step.MicroBatch], _layer, input, routing);
    }

    /// <inheritdoc/>
    public override void Compute(in Step step, TensorView input, TensorView output)
    {
        if (_shared.Length > 0)
        {
            step.Kernels.ExpertMlp.Run(_shared, new ExpertRows([0, step.Tokens], []), input, step.Rows(step.Workspace.Shared), step.Team);
        }

        ExpertRows rows = _exchange.FinishDispatch(_slots[step.MicroBatch], out TensorView received);
        TensorView computed = step.Workspace.ExpertOutput(step.MicroBatch, rows.Count);
        if (rows.Count > 0)
        {
            step.Kernels.ExpertMlp.Run(step.Experts.Weights(_layer), rows, received, computed, step.Team);
        }

        _exchange.BeginCombine(_slots[step.MicroBatch], computed);
    }

    /// <inheritdoc/>
    public override void End(in Step step, TensorView output)
    {
        _exchange.FinishCombine(_slots[step.MicroBatch], output);
        if (_shared.Length > 0)
        {
            step.Add(step.Rows(step.Workspace.Shared), output);
        }
    }
}
