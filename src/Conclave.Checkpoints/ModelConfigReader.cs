using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>
/// Reads <c>config.json</c> as the model authors release it and as transformers 5 writes it. What would make a model compute something
/// else than this engine does is refused, never ignored.
/// </summary>
internal static class ModelConfigReader
{
    private const int MaxFileBytes = 16 << 20;
    private const int MaxWidth = 1 << 20;
    private const int MaxLayers = 1000;
    private const int MaxExperts = 1 << 16;
    private const int MaxToken = 1 << 24;

    /// <summary>Kimi-VL: a model for images and the language model that reads what it sees.</summary>
    private const string KimiVl = "kimi_vl";

    public static ModelConfig Read(string directory) =>
        Parse(JsonCursor.ReadFile(Path.Combine(directory, "config.json"), MaxFileBytes));

    public static ModelConfig Parse(JsonCursor root)
    {
        if (root.Required("model_type").String() != KimiVl)
        {
            return ParseText(root, root);
        }

        return ParseText(root.Required("text_config"), root) with { TensorPrefix = "language_model." };
    }

    private static ModelConfig ParseText(JsonCursor root, JsonCursor whole)
    {
        JsonCursor type = root.Required("model_type");
        ModelFamily family = ModelFamily.Find(type.String()) ?? throw type.Error(
            $"{type.Describe()} is not supported; supported are {ModelFamily.SupportedNames} and the text part of {KimiVl}");
        RefuseOtherArithmetic(root);

        int layers = Count(root, "num_hidden_layers", 1, MaxLayers);
        int mtpLayers = Count(root, "num_nextn_predict_layers", 0, MaxLayers, 0);
        int routedExperts = RoutedExperts(root);
        IReadOnlyList<bool> isMoe = routedExperts == 0
            ? new bool[layers]
            : MoeLayers.Read(root, layers, mtpLayers, family.FirstDenseLayers);
        bool anyMoe = routedExperts != 0;
        int heads = Count(root, "num_attention_heads", 1, 1 << 14);
        int nopeDim = Count(root, "qk_nope_head_dim", 1, 1 << 14);
        int ropeDim = Count(root, "qk_rope_head_dim", 2, 1 << 14);
        int valueDim = Count(root, "v_head_dim", 1, 1 << 14);
        CheckHeads(root, heads, nopeDim, ropeDim, valueDim);
        int maxPositions = Count(root, "max_position_embeddings", 1, 1 << 30);
        (double theta, YarnScaling? yarn) = RopeParameters.Read(root, maxPositions);

        ModelConfig config = new()
        {
            ModelType = family.Name,
            VocabularySize = Count(root, "vocab_size", 1, MaxToken),
            HiddenSize = Count(root, "hidden_size", 1, MaxWidth),
            IntermediateSize = Count(root, "intermediate_size", 1, MaxWidth),
            MoeIntermediateSize = anyMoe ? Count(root, "moe_intermediate_size", 1, MaxWidth) : 0,
            Layers = layers,
            IsMoeLayer = isMoe,
            MtpLayers = mtpLayers,
            Heads = heads,
            QueryLoraRank = root.Optional("q_lora_rank")?.Int32(1, MaxWidth),
            LatentDim = Count(root, "kv_lora_rank", 1, MaxWidth),
            NopeDim = nopeDim,
            RopeDim = ropeDim,
            ValueDim = valueDim,
            RoutedExperts = routedExperts,
            SharedExperts = anyMoe ? SharedExperts(root) : 0,
            ExpertsPerToken = anyMoe ? Count(root, "num_experts_per_tok", 1, routedExperts) : 0,
            ExpertGroups = anyMoe ? Groups(root, "n_group", family.ExpertGroups) : 1,
            GroupsPerToken = anyMoe ? Groups(root, "topk_group", family.GroupsPerToken) : 1,
            Scoring = Scoring(root, family),
            Selection = Selection(root, family),
            NormalizeTopK = root.Optional("norm_topk_prob")?.Boolean() ?? family.NormalizeTopK,
            RoutedScalingFactor = root.Optional("routed_scaling_factor")?.Double(1e-6, 1e6) ?? family.RoutedScalingFactor,
            NormEpsilon = root.Optional("rms_norm_eps")?.Double(1e-30, 1) ?? family.NormEpsilon,
            RopeTheta = theta,
            RopeInterleaved = root.Optional("rope_interleave")?.Boolean() ?? true,
            Yarn = yarn,
            MaxPositions = maxPositions,
            TieWordEmbeddings = root.Optional("tie_word_embeddings")?.Boolean() ?? false,
            ScaleBlock = QuantizationBlock.Read(root) ?? QuantizationBlock.Read(whole),
            BosToken = TokenIds.One(root, "bos_token_id"),
            EosTokens = TokenIds.Several(root, "eos_token_id"),
            PadToken = TokenIds.One(root, "pad_token_id"),
            TorchDtype = (root.Optional("dtype") ?? root.Optional("torch_dtype"))?.String(),
            Architectures = root.Optional("architectures")?.Items().Select(item => item.String()).ToArray() ?? [],
        };
        CheckGroups(root, config);
        return config;
    }

    private static void RefuseOtherArithmetic(JsonCursor root)
    {
        if (root.Optional("hidden_act") is { } activation && activation.String() != "silu")
        {
            throw activation.Error($"{activation.Describe()}; only \"silu\" is supported");
        }

        foreach (string name in (ReadOnlySpan<string>)["attention_bias", "mlp_bias"])
        {
            if (root.Optional(name) is { } bias && bias.Boolean())
            {
                throw bias.Error("true; projections with biases are not supported, false is expected");
            }
        }

        foreach (string name in (ReadOnlySpan<string>)["qk_layernorm", "mla_use_nope"])
        {
            if (root.Optional(name) is { } other && other.Boolean())
            {
                throw other.Error("true; such attention is not supported, false is expected");
            }
        }

        if (root.Optional("use_mla") is { } latent && !latent.Boolean())
        {
            throw latent.Error("false; only multi-head latent attention is supported, true is expected");
        }

        foreach (string name in (ReadOnlySpan<string>)["attn_logit_softcapping", "final_logit_softcapping", "sliding_window", "index_topk"])
        {
            bool isSwitchedOff = name == "sliding_window" && root.Optional("use_sliding_window") is { } used && !used.Boolean();
            if (!isSwitchedOff && root.Optional(name) is { } other)
            {
                throw other.Error($"{other.Describe()}; not supported, null is expected");
            }
        }

        RopeParameters.CheckWhole(root);
    }

    private static void CheckHeads(JsonCursor root, int heads, int nopeDim, int ropeDim, int valueDim)
    {
        if (ropeDim % 2 != 0)
        {
            throw root.Required("qk_rope_head_dim").Error($"{ropeDim}; an even number is expected, dimensions rotate in pairs");
        }

        long widest = (long)heads * Math.Max(nopeDim + ropeDim, nopeDim + valueDim);
        if (widest > MaxWidth)
        {
            throw root.Required("num_attention_heads").Error(
                $"{heads} heads of {nopeDim} + {ropeDim} and {nopeDim} + {valueDim} dimensions are {widest} wide; at most {MaxWidth} is expected");
        }
    }

    private static void CheckGroups(JsonCursor root, ModelConfig config)
    {
        // Plain greedy selection knows no groups; released files carry values there that nothing reads.
        if (config.RoutedExperts == 0 || config.Selection == RouterSelection.Greedy)
        {
            return;
        }

        (int experts, int groups, int allowed) = (config.RoutedExperts, config.ExpertGroups, config.GroupsPerToken);
        if (experts % groups != 0)
        {
            throw root.Required("n_group").Error($"{groups}; a divisor of n_routed_experts = {experts} is expected");
        }

        if (config.Selection == RouterSelection.NoAuxTc && experts / groups < 2)
        {
            throw root.Required("n_group").Error(
                $"{groups} groups of {experts / groups} expert; noaux_tc ranks a group by its two best experts, at least 2 in each are expected");
        }

        if (allowed > groups)
        {
            throw root.Error($"topk_group is {allowed}; at most n_group = {groups} is expected");
        }

        if (config.ExpertsPerToken > experts / groups * allowed)
        {
            throw root.Required("num_experts_per_tok").Error(
                $"{config.ExpertsPerToken}; at most {experts / groups * allowed} is expected: {allowed} groups of {experts / groups} experts");
        }
    }

    private static RouterScoring Scoring(JsonCursor root, ModelFamily family)
    {
        if (root.Optional("scoring_func") is not { } scoring)
        {
            return family.Scoring;
        }

        return scoring.String() switch
        {
            "softmax" => RouterScoring.Softmax,
            "sigmoid" => RouterScoring.Sigmoid,
            _ => throw scoring.Error($"{scoring.Describe()}; \"softmax\" or \"sigmoid\" is expected"),
        };
    }

    private static RouterSelection Selection(JsonCursor root, ModelFamily family)
    {
        if (root.Optional("topk_method") is not { } selection)
        {
            return family.Selection;
        }

        return selection.String() switch
        {
            // The second is how the default of DeepSeek's configuration class is spelled.
            "greedy" or "gready" => RouterSelection.Greedy,
            "group_limited_greedy" => RouterSelection.GroupLimitedGreedy,
            "noaux_tc" => RouterSelection.NoAuxTc,
            _ => throw selection.Error($"{selection.Describe()}; \"greedy\", \"group_limited_greedy\" or \"noaux_tc\" is expected"),
        };
    }

    // A shared expert that is forgotten makes wrong numbers, not an error: the key must be there, be it null.
    private static int SharedExperts(JsonCursor root)
    {
        if (!root.Has("n_shared_experts"))
        {
            throw root.Error("\"n_shared_experts\" is missing");
        }

        return root.Optional("n_shared_experts")?.Int32(0, 1 << 10) ?? 0;
    }

    private static int Count(JsonCursor root, string name, int minimum, int maximum, int? whereAbsent = null)
    {
        JsonCursor? value = whereAbsent is null ? root.Required(name) : root.Optional(name);
        return value?.Int32(minimum, maximum) ?? whereAbsent!.Value;
    }

    // Without the key DeepSeek's own code makes a dense model, transformers one of 256 experts.
    private static int RoutedExperts(JsonCursor root) =>
        root.Has("n_routed_experts")
            ? root.Optional("n_routed_experts")?.Int32(1, MaxExperts) ?? 0
            : throw root.Error("\"n_routed_experts\" is missing; their number is expected, or null for a model without");

    /// <summary>A number of groups; null, which is not the same as absent, means that there are none.</summary>
    private static int Groups(JsonCursor root, string name, int whereAbsent) =>
        root.Has(name) ? root.Optional(name)?.Int32(1, MaxExperts) ?? 1 : whereAbsent;
}
