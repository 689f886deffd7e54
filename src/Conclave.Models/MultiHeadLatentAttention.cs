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
    private readonly TensorView? _queryDown;
    private readonly TensorView _queryNorm;
    private readonly TensorView _queryUp;
    private readonly TensorView _latentDown;
    private readonly TensorView _latentNorm;
    private readonly TensorView _expansion;
    private readonly TensorView _output;
    private readonly int _cacheLayer;

    public MultiHeadLatentAttention(WeightSource weights, ModelConfig config, string prefix, int cacheLayer, double scale)
    {
        _shape = new LatentAttentionShape(
            config.Heads, config.NopeDim, config.RopeDim, config.ValueDim, config.LatentDim, (float)scale);
        _interleaved = config.RopeInterleaved;
        _cacheLayer = cacheLayer;
        int queryRows = config.Heads * _shape.QueryDim;
        if (config.QueryLoraRank is { } rank)
        {
            _queryDown = weights.Matrix($"{prefix}.q_a_proj.weight", rank, config.HiddenSize);
            _queryNorm = weights.Vector($"{prefix}.q_a_layernorm.weight", rank);
            _queryUp = weights.Matrix($"{prefix}.q_b_proj.weight", queryRows, rank);
        }
        else
        {
            _queryUp = weights.Matrix($"{prefix}.q_proj.weight", queryRows, config.HiddenSize);
        }

        _latentDown = weights.Matrix($"{prefix}.kv_a_proj_with_mqa.weight", _shape.CacheDim, config.HiddenSize);
        _latentNorm = weights.Vector($"{prefix}.kv_a_layernorm.weight", config.LatentDim);
        _expansion = weights.Matrix($"{prefix}.kv_b_proj.weight", config.Heads * _shape.HeadRows, config.LatentDim);
        _output = weights.Matrix($"{prefix}.o_proj.weight", config.HiddenSize, config.Heads * config.ValueDim);
    }

    /// <summary>Attends: output[T, H] from input[T, H], after writing the step's latents to the cache.</summary>
    public void Forward(in Step step, TensorView input, TensorView output)
    {
        TensorView query = step.Workspace.Query(step.Tokens);
        TensorView values = step.Workspace.Attention(step.Tokens);
        Prepare(step, input, query);

        LatentPages pages = step.Cache.Pages(_cacheLayer);
        step.Kernels.ExpandedAttention.Run(_shape, query, _expansion, pages, step.Batch.Expanded, values, step.Team);
        step.Kernels.AbsorbedAttention.Run(_shape, query, _expansion, pages, step.Batch.Absorbed, values, step.Team);
        step.Kernels.MatMul.Run(_output, values, output, step.Team);
    }

    private void Prepare(in Step step, TensorView input, TensorView query)
    {
        KernelSet kernels = step.Kernels;
        TensorView cos = step.Workspace.Cos(step.Tokens);
        TensorView sin = step.Workspace.Sin(step.Tokens);
        if (_queryDown is { } down)
        {
            TensorView compressed = step.Workspace.QueryLatent(step.Tokens);
            kernels.MatMul.Run(down, input, compressed, step.Team);
            kernels.RmsNorm.Run(compressed, _queryNorm, InnerNormEpsilon, compressed, step.Team);
            kernels.MatMul.Run(_queryUp, compressed, query, step.Team);
        }
        else
        {
            kernels.MatMul.Run(_queryUp, input, query, step.Team);
        }

        kernels.Rotary.Run(query, _shape.Heads, _shape.QueryDim, _shape.NopeDim, cos, sin, _interleaved, step.Team);

        TensorView latent = step.Workspace.Latent(step.Tokens);
        TensorView normalized = latent.SliceColumns(0, _shape.LatentDim);
        kernels.MatMul.Run(_latentDown, input, latent, step.Team);
        kernels.RmsNorm.Run(normalized, _latentNorm, InnerNormEpsilon, normalized, step.Team);
        kernels.Rotary.Run(latent, 1, _shape.CacheDim, _shape.LatentDim, cos, sin, _interleaved, step.Team);
        WriteCache(step, latent);
    }

    private unsafe void WriteCache(in Step step, TensorView latent)
    {
        LatentPages pages = step.Cache.Pages(_cacheLayer);
        ReadOnlySpan<nint> rows = step.Batch.CacheRows;
        for (int token = 0; token < rows.Length; token++)
        {
            (nint block, nint row) = Math.DivRem(rows[token], LatentPages.TokensPerBlock);
            step.Kernels.Codec.Encode(latent.RowF32(token), pages.Format, pages.Block((int)block).RowPointer(row));
        }
    }
}
