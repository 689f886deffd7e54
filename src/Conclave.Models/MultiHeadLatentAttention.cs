using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// Multi-head latent attention of one layer (DeepSeek-V2, section 2.1): queries through a low-rank bottleneck or directly, keys and values compressed
/// into one latent and one rotary key for all heads, which is all that the cache holds.
/// </summary>
internal sealed class MultiHeadLatentAttention
{
    // The released modelling code gives the norms inside attention this ε whatever rms_norm_eps says.
    private const float InnerNormEpsilon = 1e-6f;

    private readonly LatentAttentionShape _shape;
    private readonly bool _interleaved;
    private readonly MlaPrepareWeights _prepare;
    private readonly TensorView _expansion;
    private readonly TensorView _output;
    private readonly int _cacheLayer;
    private readonly RankGroup _group;

    public MultiHeadLatentAttention(WeightSource weights, ModelConfig config, string prefix, int cacheLayer, double scale, RankGroup group)
    {
        _shape = new LatentAttentionShape(
            group.Heads, config.NopeDim, config.RopeDim, config.ValueDim, config.LatentDim, (float)scale);
        _interleaved = config.RopeInterleaved;
        _cacheLayer = cacheLayer;
        _group = group;
        TensorView OfHeads(string name, int rowsOfHead, int columns) =>
            weights.Rows($"{prefix}.{name}.weight", config.Heads * rowsOfHead, columns, group.FirstHead * rowsOfHead, group.Heads * rowsOfHead);

        TensorView? queryDown = null;
        TensorView queryNorm = default;
        TensorView queryUp;
        if (config.QueryLoraRank is { } rank)
        {
            queryDown = weights.Matrix($"{prefix}.q_a_proj.weight", rank, config.HiddenSize);
            queryNorm = weights.Vector($"{prefix}.q_a_layernorm.weight", rank);
            queryUp = OfHeads("q_b_proj", _shape.QueryDim, rank);
        }
        else
        {
            queryUp = OfHeads("q_proj", _shape.QueryDim, config.HiddenSize);
        }

        TensorView latentDown = weights.Matrix($"{prefix}.kv_a_proj_with_mqa.weight", _shape.CacheDim, config.HiddenSize);
        TensorView latentNorm = weights.Vector($"{prefix}.kv_a_layernorm.weight", config.LatentDim);
        _prepare = new MlaPrepareWeights(queryDown, queryNorm, queryUp, latentDown, latentNorm, InnerNormEpsilon);
        _expansion = OfHeads("kv_b_proj", _shape.HeadRows, config.LatentDim);
        _output = weights.Rows(
            $"{prefix}.o_proj.weight", config.HiddenSize, config.Heads * config.ValueDim, group.FirstOutput, group.Outputs);
    }

    /// <summary>Attends: output[T, H] from input[T, H], after writing the step's latents to the cache.</summary>
    public void Forward(in Step step, TensorView input, TensorView output)
    {
        TensorView query = step.Rows(step.Workspace.Query);
        TensorView values = step.Rows(step.Workspace.Attention);
        TensorView ownValues = _group.OwnValues(values);
        RotaryAngles angles = new(step.Rows(step.Workspace.Cos), step.Rows(step.Workspace.Sin), _interleaved);
        LatentPages pages = step.Cache.Pages(_cacheLayer);
        step.Kernels.MlaPrepare.Run(_shape, _prepare, input, angles, pages, step.Batch.CacheRows, query, step.Team);
        step.Meanwhile?.Progress();
        step.Kernels.ExpandedAttention.Run(_shape, query, _expansion, pages, step.Batch.Expanded, ownValues, step.Team);
        step.Kernels.AbsorbedAttention.Run(_shape, query, _expansion, pages, step.Batch.Absorbed, ownValues, step.Team);
        step.Meanwhile?.Progress();
        _group.GatherValues(values);
        step.Kernels.MatMul.Run(_output, values, _group.OwnOutputs(output), step.Team);
        _group.GatherOutputs(output);
    }
}
