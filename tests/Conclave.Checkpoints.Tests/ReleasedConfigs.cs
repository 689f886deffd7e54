using System.Text.Json.Nodes;

namespace Conclave.Checkpoints.Tests;

/// <summary>config.json as its authors release it, for each family, and the same as transformers 5 writes it.</summary>
internal static class ReleasedConfigs
{
    private const string DeepSeekV2Lite = """
        {
          "architectures": ["DeepseekV2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
          "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV2Config"}, "aux_loss_alpha": 0.001,
          "bos_token_id": 100000, "eos_token_id": 100001, "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 2048,
          "initializer_range": 0.02, "intermediate_size": 10944, "kv_lora_rank": 512, "max_position_embeddings": 163840,
          "model_type": "deepseek_v2", "moe_intermediate_size": 1408, "moe_layer_freq": 1, "n_group": 1, "n_routed_experts": 64,
          "n_shared_experts": 2, "norm_topk_prob": false, "num_attention_heads": 16, "num_experts_per_tok": 6,
          "num_hidden_layers": 27, "num_key_value_heads": 16, "pretraining_tp": 1, "q_lora_rank": null, "qk_nope_head_dim": 128,
          "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06,
          "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707,
            "original_max_position_embeddings": 4096, "type": "yarn"},
          "rope_theta": 10000, "routed_scaling_factor": 1.0, "scoring_func": "softmax", "seq_aux": true,
          "tie_word_embeddings": false, "topk_group": 1, "topk_method": "greedy", "torch_dtype": "bfloat16",
          "transformers_version": "4.33.1", "use_cache": true, "v_head_dim": 128, "vocab_size": 102400
        }
        """;

    private const string DeepSeekV3 = """
        {
          "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 0,
          "eos_token_id": 1, "ep_size": 1, "first_k_dense_replace": 3, "hidden_act": "silu", "hidden_size": 7168,
          "initializer_range": 0.02, "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
          "model_type": "deepseek_v3", "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 8, "n_routed_experts": 256,
          "n_shared_experts": 1, "norm_topk_prob": true, "num_attention_heads": 128, "num_experts_per_tok": 8,
          "num_hidden_layers": 61, "num_key_value_heads": 128, "num_nextn_predict_layers": 1, "q_lora_rank": 1536,
          "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
          "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]},
          "rms_norm_eps": 1e-06,
          "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0,
            "original_max_position_embeddings": 4096, "type": "yarn"},
          "rope_theta": 10000, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid", "tie_word_embeddings": false,
          "topk_group": 4, "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "transformers_version": "4.33.1",
          "use_cache": true, "v_head_dim": 128, "vocab_size": 129280
        }
        """;

    private const string KimiK2 = """
        {
          "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "aux_loss_alpha": 0.001,
          "bos_token_id": 163584, "eos_token_id": 163585, "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 7168,
          "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 131072, "model_type": "kimi_k2",
          "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 1, "n_routed_experts": 384, "n_shared_experts": 1,
          "norm_topk_prob": true, "num_attention_heads": 64, "num_experts_per_tok": 8, "num_hidden_layers": 61,
          "num_key_value_heads": 64, "num_nextn_predict_layers": 0, "pretraining_tp": 1, "q_lora_rank": 1536,
          "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
          "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]},
          "rms_norm_eps": 1e-06,
          "rope_scaling": {"beta_fast": 1.0, "beta_slow": 1.0, "factor": 32.0, "mscale": 1.0, "mscale_all_dim": 1.0,
            "original_max_position_embeddings": 4096, "type": "yarn"},
          "rope_theta": 50000.0, "routed_scaling_factor": 2.827, "scoring_func": "sigmoid", "seq_aux": true,
          "tie_word_embeddings": false, "topk_group": 1, "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "use_cache": true,
          "v_head_dim": 128, "vocab_size": 163840
        }
        """;

    private const string Moonlight = """
        {
          "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "aux_loss_alpha": 0.001, "bos_token_id": 163584,
          "eos_token_id": 163585, "ep_size": 1, "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 2048,
          "intermediate_size": 11264, "kv_lora_rank": 512, "max_position_embeddings": 8192, "model_type": "deepseek_v3",
          "moe_intermediate_size": 1408, "moe_layer_freq": 1, "n_group": 1, "n_routed_experts": 64, "n_shared_experts": 2,
          "norm_topk_prob": true, "num_attention_heads": 16, "num_experts_per_tok": 6, "num_hidden_layers": 27,
          "num_key_value_heads": 16, "num_nextn_predict_layers": 0, "q_lora_rank": null, "qk_nope_head_dim": 128,
          "qk_rope_head_dim": 64, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 50000.0,
          "routed_scaling_factor": 2.446, "scoring_func": "sigmoid", "seq_aux": true, "tie_word_embeddings": false,
          "topk_group": 1, "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "use_cache": true, "v_head_dim": 128,
          "vocab_size": 163840
        }
        """;

    private const string Glm47Flash = """
        {
          "architectures": ["Glm4MoeLiteForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "pad_token_id": 154820,
          "eos_token_id": [154820, 154827, 154829], "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 10240,
          "max_position_embeddings": 202752, "model_type": "glm4_moe_lite", "moe_intermediate_size": 1536,
          "topk_method": "noaux_tc", "norm_topk_prob": true, "num_attention_heads": 20, "n_group": 1, "topk_group": 1,
          "n_routed_experts": 64, "n_shared_experts": 1, "routed_scaling_factor": 1.8, "num_experts_per_tok": 4,
          "first_k_dense_replace": 1, "num_hidden_layers": 47, "num_key_value_heads": 20, "num_nextn_predict_layers": 1,
          "partial_rotary_factor": 1.0, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 1000000,
          "tie_word_embeddings": false, "dtype": "bfloat16", "q_lora_rank": 768, "kv_lora_rank": 512, "qk_nope_head_dim": 192,
          "qk_rope_head_dim": 64, "v_head_dim": 256, "vocab_size": 154880
        }
        """;

    private static readonly Dictionary<string, string> ByName = new(StringComparer.Ordinal)
    {
        ["DeepSeek-V2-Lite"] = DeepSeekV2Lite, ["DeepSeek-V3"] = DeepSeekV3, ["Kimi-K2"] = KimiK2, ["Moonlight"] = Moonlight,
        ["GLM-4.7-Flash"] = Glm47Flash,
    };

    public static IEnumerable<string> Names => ByName.Keys;

    public static JsonObject Released(string name) => JsonNode.Parse(ByName[name])!.AsObject();

    /// <summary>The same model in the words of transformers 5, which also leaves out what its classes do not know.</summary>
    public static JsonObject AsTransformers5(JsonObject released)
    {
        JsonObject config = released.DeepClone().AsObject();
        JsonObject rope = config["rope_scaling"]?.DeepClone().AsObject() ?? new JsonObject { ["rope_type"] = "default" };
        if (rope["type"] is { } type)
        {
            rope["rope_type"] = type.DeepClone();
        }

        rope["rope_theta"] = config["rope_theta"]!.DeepClone();
        config["rope_parameters"] = rope;
        int firstDense = config["first_k_dense_replace"]!.GetValue<int>();
        int layers = config["num_hidden_layers"]!.GetValue<int>();
        config["mlp_layer_types"] = new JsonArray(
            [.. Enumerable.Range(0, layers).Select(layer => JsonValue.Create(layer < firstDense ? "dense" : "sparse"))]);
        config["dtype"] = (config["torch_dtype"] ?? config["dtype"])!.DeepClone();
        foreach (string gone in (string[])["rope_scaling", "rope_theta", "first_k_dense_replace", "torch_dtype", "moe_layer_freq",
            "scoring_func", "ep_size", "seq_aux", "aux_loss_alpha", "auto_map"])
        {
            config.Remove(gone);
        }

        if (config["topk_method"]!.GetValue<string>() == "noaux_tc")
        {
            config.Remove("topk_method");
        }
        else
        {
            config["n_group"] = null;
            config["topk_group"] = null;
        }

        return config;
    }
}
