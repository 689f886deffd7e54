namespace Conclave.Checkpoints;

/// <summary>How the router turns logits into scores.</summary>
public enum RouterScoring
{
    /// <summary>softmax over all experts (DeepSeek-V2).</summary>
    Softmax,

    /// <summary>Logistic sigmoid of each logit (DeepSeek-V3).</summary>
    Sigmoid,
}

/// <summary>How the router chooses among the experts' scores.</summary>
public enum RouterSelection
{
    /// <summary>The k highest scores.</summary>
    Greedy,

    /// <summary>The k highest scores within the groups whose highest score is highest (DeepSeek-V2, section 2.2.2).</summary>
    GroupLimitedGreedy,

    /// <summary>
    /// The k highest of score + correction bias within the groups whose two highest sum highest; weights come from the scores without bias
    /// (DeepSeek-V3, section 2.1.2: auxiliary-loss-free balancing).
    /// </summary>
    NoAuxTc,
}

/// <summary>YaRN context extension (Peng et al. 2023); parameters as <c>rope_scaling</c> names them.</summary>
public sealed record YarnScaling(
    double Factor, int OriginalMaxPositions, double BetaFast, double BetaSlow, double Mscale, double MscaleAllDim)
{
    /// <summary>attention_factor: what cosines and sines are multiplied by; null where it follows from <see cref="Mscale"/> and <see cref="MscaleAllDim"/>.</summary>
    public double? AttentionFactor { get; init; }
}

/// <summary>The shape of a DeepSeek-family model, from <c>config.json</c>; a field's meaning is that of the key named beside it.</summary>
public sealed record ModelConfig
{
    /// <summary>model_type: deepseek_v2, deepseek_v3, kimi_k2 or glm4_moe_lite.</summary>
    public required string ModelType { get; init; }

    /// <summary>vocab_size.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>hidden_size.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>intermediate_size: width of dense MLPs.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>moe_intermediate_size: width of one routed expert.</summary>
    public required int MoeIntermediateSize { get; init; }

    /// <summary>num_hidden_layers, MTP layers not counted.</summary>
    public required int Layers { get; init; }

    /// <summary>For each layer: true where its MLP is a mixture of experts.</summary>
    public required IReadOnlyList<bool> IsMoeLayer { get; init; }

    /// <summary>num_nextn_predict_layers: multi-token prediction layers behind the last layer.</summary>
    public required int MtpLayers { get; init; }

    /// <summary>num_attention_heads.</summary>
    public required int Heads { get; init; }

    /// <summary>q_lora_rank; null where queries are projected directly.</summary>
    public required int? QueryLoraRank { get; init; }

    /// <summary>kv_lora_rank: width of the cached latent.</summary>
    public required int LatentDim { get; init; }

    /// <summary>qk_nope_head_dim.</summary>
    public required int NopeDim { get; init; }

    /// <summary>qk_rope_head_dim.</summary>
    public required int RopeDim { get; init; }

    /// <summary>v_head_dim.</summary>
    public required int ValueDim { get; init; }

    /// <summary>n_routed_experts; 0 for a dense model.</summary>
    public required int RoutedExperts { get; init; }

    /// <summary>n_shared_experts; together they are one MLP of that many times the expert width.</summary>
    public required int SharedExperts { get; init; }

    /// <summary>num_experts_per_tok.</summary>
    public required int ExpertsPerToken { get; init; }

    /// <summary>n_group.</summary>
    public required int ExpertGroups { get; init; }

    /// <summary>topk_group.</summary>
    public required int GroupsPerToken { get; init; }

    /// <summary>scoring_func.</summary>
    public required RouterScoring Scoring { get; init; }

    /// <summary>topk_method.</summary>
    public required RouterSelection Selection { get; init; }

    /// <summary>norm_topk_prob: whether the chosen weights are made to sum to 1 before scaling.</summary>
    public required bool NormalizeTopK { get; init; }

    /// <summary>routed_scaling_factor.</summary>
    public required double RoutedScalingFactor { get; init; }

    /// <summary>rms_norm_eps; the norms inside attention use 1e-6 whatever it says, as the released modelling code does.</summary>
    public required double NormEpsilon { get; init; }

    /// <summary>rope_theta.</summary>
    public required double RopeTheta { get; init; }

    /// <summary>rope_interleave; true where the key is absent.</summary>
    public required bool RopeInterleaved { get; init; }

    /// <summary>rope_scaling of type yarn; null where there is none.</summary>
    public required YarnScaling? Yarn { get; init; }

    /// <summary>max_position_embeddings.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>tie_word_embeddings.</summary>
    public required bool TieWordEmbeddings { get; init; }

    /// <summary>
    /// Rows and columns of an FP8 scale block (quantization_config.weight_block_size, or its config_groups), of which a matrix may have fewer; null where weights have no scales.
    /// </summary>
    public required (int Rows, int Columns)? ScaleBlock { get; init; }

    /// <summary>bos_token_id, where given.</summary>
    public required int? BosToken { get; init; }

    /// <summary>eos_token_id: one, several or none.</summary>
    public required IReadOnlyList<int> EosTokens { get; init; }

    /// <summary>pad_token_id, where given.</summary>
    public int? PadToken { get; init; }

    /// <summary>
    /// What stands in the files before the names of the language model's tensors, where a model has other parts too, such as one for images, which are not computed here (Kimi-VL: language_model.); else empty.
    /// </summary>
    public string TensorPrefix { get; init; } = "";

    /// <summary>dtype or torch_dtype: the format of the weights that are not quantized, as the file names it; null where absent.</summary>
    public string? TorchDtype { get; init; }

    /// <summary>architectures: names of the modelling classes; empty where absent.</summary>
    public IReadOnlyList<string> Architectures { get; init; } = [];

    /// <summary>Reads <c>config.json</c> of a checkpoint, as released and as transformers 5 writes it.</summary>
    /// <param name="directory">The folder of the checkpoint.</param>
    /// <exception cref="Primitives.UserErrorException">
    /// The file is missing or malformed, a value is missing or absurd, or the model would compute what this engine does not; the message
    /// names file, JSON path, value and expectation.
    /// </exception>
    public static ModelConfig Read(string directory) => ModelConfigReader.Read(directory);
}
