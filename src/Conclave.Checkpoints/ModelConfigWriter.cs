using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>Writes a <see cref="ModelConfig"/> as <c>config.json</c> with the keys of the released files.</summary>
public static class ModelConfigWriter
{
    /// <summary>Writes <c>config.json</c> into a folder; <see cref="ModelConfig.Read"/> gives the same configuration back.</summary>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    public static void Write(string directory, ModelConfig config)
    {
        string path = Path.Combine(directory, "config.json");
        try
        {
            using FileStream stream = File.Create(path);
            using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
            Write(json, config);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{path}: cannot be written: {e.Message}", e);
        }
    }

    private static void Write(Utf8JsonWriter json, ModelConfig config)
    {
        json.WriteStartObject();
        json.WriteStartArray("architectures");
        foreach (string name in config.Architectures)
        {
            json.WriteStringValue(name);
        }

        json.WriteEndArray();
        json.WriteString("model_type", config.ModelType);
        json.WriteBoolean("attention_bias", false);
        json.WriteString("hidden_act", "silu");
        WriteTokens(json, config);
        json.WriteNumber("vocab_size", config.VocabularySize);
        json.WriteNumber("hidden_size", config.HiddenSize);
        json.WriteNumber("intermediate_size", config.IntermediateSize);
        json.WriteNumber("num_hidden_layers", config.Layers);
        json.WriteNumber("num_nextn_predict_layers", config.MtpLayers);
        json.WriteNumber("num_attention_heads", config.Heads);
        json.WriteNumber("num_key_value_heads", config.Heads);
        WriteNullable(json, "q_lora_rank", config.QueryLoraRank);
        json.WriteNumber("kv_lora_rank", config.LatentDim);
        json.WriteNumber("qk_nope_head_dim", config.NopeDim);
        json.WriteNumber("qk_rope_head_dim", config.RopeDim);
        json.WriteNumber("v_head_dim", config.ValueDim);
        WriteExperts(json, config);
        json.WriteNumber("rms_norm_eps", config.NormEpsilon);
        WriteRope(json, config);
        json.WriteNumber("max_position_embeddings", config.MaxPositions);
        json.WriteBoolean("tie_word_embeddings", config.TieWordEmbeddings);
        if (config.TorchDtype is not null)
        {
            json.WriteString("torch_dtype", config.TorchDtype);
        }

        if (config.ScaleBlock is { } block)
        {
            json.WriteStartObject("quantization_config");
            json.WriteString("activation_scheme", "dynamic");
            json.WriteString("fmt", "e4m3");
            json.WriteString("quant_method", "fp8");
            json.WriteStartArray("weight_block_size");
            json.WriteNumberValue(block.Rows);
            json.WriteNumberValue(block.Columns);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteTokens(Utf8JsonWriter json, ModelConfig config)
    {
        WriteNullable(json, "bos_token_id", config.BosToken);
        if (config.EosTokens is [var one])
        {
            json.WriteNumber("eos_token_id", one);
        }
        else
        {
            json.WriteStartArray("eos_token_id");
            foreach (int token in config.EosTokens)
            {
                json.WriteNumberValue(token);
            }

            json.WriteEndArray();
        }

        if (config.PadToken is { } pad)
        {
            json.WriteNumber("pad_token_id", pad);
        }
    }

    private static void WriteExperts(Utf8JsonWriter json, ModelConfig config)
    {
        if (config.RoutedExperts == 0)
        {
            json.WriteNull("n_routed_experts");
            return;
        }

        json.WriteNumber("moe_intermediate_size", config.MoeIntermediateSize);
        json.WriteNumber("n_routed_experts", config.RoutedExperts);
        json.WriteNumber("n_shared_experts", config.SharedExperts);
        json.WriteNumber("num_experts_per_tok", config.ExpertsPerToken);
        json.WriteNumber("n_group", config.ExpertGroups);
        json.WriteNumber("topk_group", config.GroupsPerToken);
        json.WriteString("scoring_func", config.Scoring == RouterScoring.Sigmoid ? "sigmoid" : "softmax");
        json.WriteString("topk_method", config.Selection switch
        {
            RouterSelection.Greedy => "greedy",
            RouterSelection.GroupLimitedGreedy => "group_limited_greedy",
            _ => "noaux_tc",
        });
        json.WriteBoolean("norm_topk_prob", config.NormalizeTopK);
        json.WriteNumber("routed_scaling_factor", config.RoutedScalingFactor);

        int firstDense = config.IsMoeLayer.TakeWhile(isMoe => !isMoe).Count();
        json.WriteNumber("first_k_dense_replace", firstDense);
        if (config.IsMoeLayer.Skip(firstDense).All(isMoe => isMoe))
        {
            json.WriteNumber("moe_layer_freq", 1);
            return;
        }

        json.WriteStartArray("moe_layer_freq");
        foreach (bool isMoe in config.IsMoeLayer)
        {
            json.WriteNumberValue(isMoe ? 1 : 0);
        }

        json.WriteEndArray();
    }

    private static void WriteRope(Utf8JsonWriter json, ModelConfig config)
    {
        json.WriteNumber("rope_theta", config.RopeTheta);
        if (!config.RopeInterleaved)
        {
            json.WriteBoolean("rope_interleave", false);
        }

        if (config.Yarn is not { } yarn)
        {
            json.WriteNull("rope_scaling");
            return;
        }

        json.WriteStartObject("rope_scaling");
        json.WriteString("type", "yarn");
        json.WriteNumber("factor", yarn.Factor);
        json.WriteNumber("original_max_position_embeddings", yarn.OriginalMaxPositions);
        json.WriteNumber("beta_fast", yarn.BetaFast);
        json.WriteNumber("beta_slow", yarn.BetaSlow);
        json.WriteNumber("mscale", yarn.Mscale);
        json.WriteNumber("mscale_all_dim", yarn.MscaleAllDim);
        if (yarn.AttentionFactor is { } attention)
        {
            json.WriteNumber("attention_factor", attention);
        }

        json.WriteEndObject();
    }

    private static void WriteNullable(Utf8JsonWriter json, string name, int? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
