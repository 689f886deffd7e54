using Conclave.Checkpoints;

namespace Conclave.Conversion;

/// <summary>Names and shapes of all tensors of a model, as the DeepSeek releases name them.</summary>
internal static class ReleasedLayout
{
    public static IEnumerable<LayoutTensor> Tensors(ModelConfig config)
    {
        const string embedding = "model.embed_tokens.weight";
        const string head = "lm_head.weight";
        yield return Matrix(embedding, TensorRole.Embedding, config.VocabularySize, config.HiddenSize);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            foreach (LayoutTensor tensor in Layer(config, layer, config.IsMoeLayer[layer]))
            {
                yield return tensor;
            }
        }

        yield return Vector("model.norm.weight", TensorRole.Norm, config.HiddenSize);
        if (!config.TieWordEmbeddings)
        {
            yield return Matrix(head, TensorRole.UnquantizedProjection, config.VocabularySize, config.HiddenSize);
        }

        for (int layer = config.Layers; layer < config.Layers + config.MtpLayers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            yield return Matrix($"{prefix}embed_tokens.weight", TensorRole.Embedding, config.VocabularySize, config.HiddenSize, embedding);
            yield return Vector($"{prefix}enorm.weight", TensorRole.Norm, config.HiddenSize);
            yield return Vector($"{prefix}hnorm.weight", TensorRole.Norm, config.HiddenSize);
            yield return Matrix($"{prefix}eh_proj.weight", TensorRole.UnquantizedProjection, config.HiddenSize, 2 * config.HiddenSize);
            foreach (LayoutTensor tensor in Layer(config, layer, config.RoutedExperts != 0))
            {
                yield return tensor;
            }

            yield return Vector($"{prefix}shared_head.norm.weight", TensorRole.Norm, config.HiddenSize);
            yield return Matrix(
                $"{prefix}shared_head.head.weight", TensorRole.UnquantizedProjection, config.VocabularySize, config.HiddenSize, head);
        }
    }

    private static IEnumerable<LayoutTensor> Layer(ModelConfig config, int layer, bool isMoe)
    {
        string prefix = $"model.layers.{layer}.";
        int hidden = config.HiddenSize;
        yield return Vector($"{prefix}input_layernorm.weight", TensorRole.Norm, hidden);
        foreach (LayoutTensor tensor in Attention(config, $"{prefix}self_attn."))
        {
            yield return tensor;
        }

        yield return Vector($"{prefix}post_attention_layernorm.weight", TensorRole.Norm, hidden);
        foreach (LayoutTensor tensor in isMoe ? Experts(config, $"{prefix}mlp.") : Mlp($"{prefix}mlp.", hidden, config.IntermediateSize))
        {
            yield return tensor;
        }
    }

    private static IEnumerable<LayoutTensor> Attention(ModelConfig config, string prefix)
    {
        int hidden = config.HiddenSize;
        int queryWidth = config.Heads * (config.NopeDim + config.RopeDim);
        if (config.QueryLoraRank is { } rank)
        {
            yield return Matrix($"{prefix}q_a_proj.weight", TensorRole.Projection, rank, hidden);
            yield return Vector($"{prefix}q_a_layernorm.weight", TensorRole.Norm, rank);
            yield return Matrix($"{prefix}q_b_proj.weight", TensorRole.Projection, queryWidth, rank);
        }
        else
        {
            yield return Matrix($"{prefix}q_proj.weight", TensorRole.Projection, queryWidth, hidden);
        }

        yield return Matrix($"{prefix}kv_a_proj_with_mqa.weight", TensorRole.Projection, config.LatentDim + config.RopeDim, hidden);
        yield return Vector($"{prefix}kv_a_layernorm.weight", TensorRole.Norm, config.LatentDim);
        yield return Matrix(
            $"{prefix}kv_b_proj.weight", TensorRole.Projection, config.Heads * (config.NopeDim + config.ValueDim), config.LatentDim);
        yield return Matrix($"{prefix}o_proj.weight", TensorRole.Projection, hidden, config.Heads * config.ValueDim);
    }

    private static IEnumerable<LayoutTensor> Experts(ModelConfig config, string prefix)
    {
        yield return Matrix($"{prefix}gate.weight", TensorRole.UnquantizedProjection, config.RoutedExperts, config.HiddenSize);
        if (config.Selection == RouterSelection.NoAuxTc)
        {
            yield return Vector($"{prefix}gate.e_score_correction_bias", TensorRole.CorrectionBias, config.RoutedExperts);
        }

        for (int expert = 0; expert < config.RoutedExperts; expert++)
        {
            foreach (LayoutTensor tensor in Mlp($"{prefix}experts.{expert}.", config.HiddenSize, config.MoeIntermediateSize))
            {
                yield return tensor;
            }
        }

        if (config.SharedExperts > 0)
        {
            int width = config.SharedExperts * config.MoeIntermediateSize;
            foreach (LayoutTensor tensor in Mlp($"{prefix}shared_experts.", config.HiddenSize, width))
            {
                yield return tensor;
            }
        }
    }

    private static IEnumerable<LayoutTensor> Mlp(string prefix, int hidden, int width)
    {
        yield return Matrix($"{prefix}gate_proj.weight", TensorRole.Projection, width, hidden);
        yield return Matrix($"{prefix}up_proj.weight", TensorRole.Projection, width, hidden);
        yield return Matrix($"{prefix}down_proj.weight", TensorRole.Projection, hidden, width);
    }

    private static LayoutTensor Matrix(string name, TensorRole role, nint rows, nint columns, string? contentName = null) =>
        new(name, role, rows, columns, contentName ?? name);

    private static LayoutTensor Vector(string name, TensorRole role, nint length) => new(name, role, length, 0, name);
}
