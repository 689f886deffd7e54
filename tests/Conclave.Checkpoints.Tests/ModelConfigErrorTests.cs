using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Checkpoints.Tests;

/// <summary>Wrong configurations end with one message that names file, JSON path, value and what was expected.</summary>
public class ModelConfigErrorTests
{
    private const string Compressed = """{"quant_method": "compressed-tensors", """;
    private const string Weights = Compressed + """ "config_groups": {"g": {"weights": {""";

    [Theory]
    [InlineData("model_type", "\"llama\"", "$.model_type: \"llama\"", "deepseek_v2, deepseek_v3, kimi_k2, glm4_moe_lite")]
    [InlineData("hidden_size", "0", "$.hidden_size: 0", "1 to 1048576")]
    [InlineData("hidden_size", "-7168", "$.hidden_size: -7168", "1 to")]
    [InlineData("hidden_size", "1e300", "$.hidden_size: 1e300", "1 to")]
    [InlineData("hidden_size", "\"7168\"", "$.hidden_size: \"7168\"", "whole number")]
    [InlineData("hidden_size", "7168.5", "$.hidden_size: 7168.5", "whole number")]
    [InlineData("num_hidden_layers", "1000000", "$.num_hidden_layers: 1000000", "1 to 1000")]
    [InlineData("vocab_size", "-1", "$.vocab_size: -1", "1 to")]
    [InlineData("num_attention_heads", "16384", "$.num_attention_heads: 16384", "at most 1048576")]
    [InlineData("qk_rope_head_dim", "63", "$.qk_rope_head_dim: 63", "even")]
    [InlineData("kv_lora_rank", "0", "$.kv_lora_rank: 0", "1 to")]
    [InlineData("q_lora_rank", "0", "$.q_lora_rank: 0", "1 to")]
    [InlineData("n_routed_experts", "-1", "$.n_routed_experts: -1", "1 to")]
    [InlineData("n_group", "7", "$.n_group: 7", "divisor of n_routed_experts = 256")]
    [InlineData("n_group", "256", "$.n_group: 256 groups of 1", "at least 2")]
    [InlineData("topk_group", "9", "topk_group is 9", "n_group = 8")]
    [InlineData("num_experts_per_tok", "129", "$.num_experts_per_tok: 129", "at most 128")]
    [InlineData("num_experts_per_tok", "257", "$.num_experts_per_tok: 257", "1 to 256")]
    [InlineData("scoring_func", "\"tanh\"", "$.scoring_func: \"tanh\"", "\"softmax\" or \"sigmoid\"")]
    [InlineData("topk_method", "\"best\"", "$.topk_method: \"best\"", "noaux_tc")]
    [InlineData("hidden_act", "\"gelu\"", "$.hidden_act: \"gelu\"", "silu")]
    [InlineData("attention_bias", "true", "$.attention_bias: true", "false is expected")]
    [InlineData("use_mla", "false", "$.use_mla: false", "true is expected")]
    [InlineData("mla_use_nope", "true", "$.mla_use_nope: true", "false is expected")]
    [InlineData("qk_layernorm", "true", "$.qk_layernorm: true", "false is expected")]
    [InlineData("attn_logit_softcapping", "50.0", "$.attn_logit_softcapping: 50.0", "null is expected")]
    [InlineData("final_logit_softcapping", "30.0", "$.final_logit_softcapping: 30.0", "null is expected")]
    [InlineData("sliding_window", "4096", "$.sliding_window: 4096", "null is expected")]
    [InlineData("index_topk", "2048", "$.index_topk: 2048", "null is expected")]
    [InlineData("partial_rotary_factor", "0.5", "$.partial_rotary_factor: 0.5", "only 1")]
    [InlineData("rope_parameters", "{\"rope_type\": \"default\", \"partial_rotary_factor\": 0.5}", "$.rope_parameters.partial_rotary_factor: 0.5", "only 1")]
    [InlineData("rope_scaling", "{\"type\": \"default\", \"partial_rotary_factor\": 0.5}", "$.rope_scaling.partial_rotary_factor: 0.5", "only 1")]
    [InlineData("bos_token_id", "[0, 1]", "$.bos_token_id: 2 token ids", "one is expected")]
    [InlineData("moe_layer_freq", "0", "$.moe_layer_freq: 0", "1 to")]
    [InlineData("moe_layer_freq", "[1, 1]", "$.moe_layer_freq: 2 items", "num_hidden_layers = 61")]
    [InlineData("mlp_layer_types", "[\"dense\", \"mixed\"]", "$.mlp_layer_types[1]: \"mixed\"", "\"dense\" or \"sparse\"")]
    [InlineData("rms_norm_eps", "-1e-6", "$.rms_norm_eps: -1e-6", "number from")]
    [InlineData("routed_scaling_factor", "-1", "$.routed_scaling_factor: -1", "number from")]
    [InlineData("rope_theta", "0", "$.rope_theta: 0", "number from")]
    [InlineData("rope_scaling", "{\"type\": \"linear\", \"factor\": 2}", "$.rope_scaling.type: \"linear\"", "yarn")]
    [InlineData("rope_scaling", "{\"factor\": 2}", "$.rope_scaling: ", "rope_type")]
    [InlineData("rope_scaling", "{\"type\": \"yarn\"}", "$.rope_scaling: ", "\"factor\" is missing")]
    [InlineData("rope_scaling", "{\"type\": \"yarn\", \"factor\": -4}", "$.rope_scaling.factor: -4", "number from")]
    [InlineData("rope_scaling", "{\"type\": \"yarn\", \"factor\": 4, \"beta_fast\": 1, \"beta_slow\": 2}", "beta_fast = 1", "beta_slow = 2")]
    [InlineData("quantization_config", "{\"quant_method\": \"awq\"}", "$.quantization_config.quant_method: \"awq\"", "not supported yet")]
    [InlineData("quantization_config", "{\"quant_method\": \"fp8\", \"fmt\": \"e5m2\"}", "$.quantization_config.fmt: \"e5m2\"", "e4m3")]
    [InlineData("quantization_config", "{\"quant_method\": \"fp8\", \"weight_block_size\": [128]}", "weight_block_size: [128]", "two numbers")]
    [InlineData("quantization_config", "{\"quant_method\": \"fp8\", \"weight_block_size\": [0, 128]}", "weight_block_size[0]: 0", "1 to")]
    [InlineData("quantization_config", Compressed + """ "format": "pack-quantized"}""", "$.quantization_config.format: \"pack-quantized\"", "\"float-quantized\" is expected")]
    [InlineData("quantization_config", Compressed + """ "config_groups": {}}""", "$.quantization_config.config_groups: no group", "\"weights\" is expected")]
    [InlineData("quantization_config", Compressed + """ "transform_config": {"a": 1}}""", "$.quantization_config.transform_config: transformed", "null is expected")]
    [InlineData("quantization_config", Compressed + """ "sparsity_config": {"format": "sparse-24-bitmask"}}""", "sparsity_config.format: \"sparse-24-bitmask\"", "\"dense\" is expected")]
    [InlineData("quantization_config", Weights + """ "num_bits": 4, "type": "int"}}}}""", "config_groups.g.weights: int weights of 4 bits", "float of 8 bits is expected")]
    [InlineData("quantization_config", Weights + """ "num_bits": 8, "type": "float", "symmetric": false}}}}""", "config_groups.g.weights.symmetric: false", "true is expected")]
    [InlineData("quantization_config", Weights + """ "num_bits": 8, "type": "float", "strategy": "group"}}}}""", "weights.strategy: \"group\"", "\"channel\" or \"block\"")]
    [InlineData("quantization_config", Weights + """ "num_bits": 8, "type": "float", "strategy": "block", "block_structure": "128x-1"}}}}""", "block_structure: \"128x-1\"", "\"128x128\"")]
    [InlineData("quantization_config", Weights + """ "num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128]}}}}""", "block_structure: [128]", "two numbers")]
    [InlineData("quantization_config", Weights + """ "num_bits": 8, "type": "float", "strategy": "tensor"}}, "h": {"weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}}}""", "config_groups.h.weights: ", "the same strategy")]
    [InlineData("quantization_config", "{\"group_size\": 64, \"bits\": 4}", "$.quantization_config: MLX's weights of 4 bits", "in FP8")]
    [InlineData("eos_token_id", "[1, \"2\"]", "$.eos_token_id[1]: \"2\"", "whole number")]
    [InlineData("eos_token_id", "-5", "$.eos_token_id: -5", "whole number")]
    public void AWrongValueIsNamedWithItsPlace(string key, string value, string place, string expectation)
    {
        JsonObject json = ReleasedConfigs.Released("DeepSeek-V3");
        json[key] = JsonNode.Parse(value);
        if (key == "mlp_layer_types")
        {
            json.Remove("first_k_dense_replace");
        }

        string message = Assert.Throws<UserErrorException>(() => ModelConfigTests.Read(json)).Message;
        Assert.Contains("config.json: ", message);
        Assert.Contains(place, message);
        Assert.Contains(expectation, message);
    }

    [Theory]
    [InlineData("model_type")]
    [InlineData("vocab_size")]
    [InlineData("hidden_size")]
    [InlineData("intermediate_size")]
    [InlineData("moe_intermediate_size")]
    [InlineData("num_hidden_layers")]
    [InlineData("num_attention_heads")]
    [InlineData("kv_lora_rank")]
    [InlineData("qk_nope_head_dim")]
    [InlineData("qk_rope_head_dim")]
    [InlineData("v_head_dim")]
    [InlineData("n_routed_experts")]
    [InlineData("n_shared_experts")]
    [InlineData("num_experts_per_tok")]
    [InlineData("max_position_embeddings")]
    public void AMissingKeyIsNamed(string key)
    {
        JsonObject json = ReleasedConfigs.Released("DeepSeek-V3");
        Assert.True(json.Remove(key));
        string message = Assert.Throws<UserErrorException>(() => ModelConfigTests.Read(json)).Message;
        Assert.Contains($"config.json: $: \"{key}\" is missing", message);
    }

    [Fact]
    public void ContradictingLayerPatternsAreRefused()
    {
        JsonObject json = ReleasedConfigs.AsTransformers5(ReleasedConfigs.Released("DeepSeek-V3"));
        json["first_k_dense_replace"] = 3;
        Assert.Equal(3, ModelConfigTests.Read(json).IsMoeLayer.Count(isMoe => !isMoe));
        json["first_k_dense_replace"] = 2;
        string message = Assert.Throws<UserErrorException>(() => ModelConfigTests.Read(json)).Message;
        Assert.Contains("$.mlp_layer_types: contradicts first_k_dense_replace = 2", message);
    }

    [Theory]
    [InlineData("", "not valid JSON")]
    [InlineData("[]", "an object is expected")]
    [InlineData("{\"model_type\": \"deepseek_v3\"", "not valid JSON")]
    [InlineData("{\"model_type\": 1, \"model_type\": 2}", "not valid JSON")]
    [InlineData("{\"model_type\": \"\\ud800\"}", "unpaired surrogate")]
    public void WhatIsNoConfigurationIsRefused(string text, string problem)
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("config.json", text);
        string message = Assert.Throws<UserErrorException>(() => ModelConfig.Read(folder.Path)).Message;
        Assert.StartsWith(file, message);
        Assert.Contains(problem, message);
    }

    [Fact]
    public void DeepNestingIsRefused()
    {
        using TemporaryFolder folder = new();
        folder.Write("config.json", new string('[', 5_000_000));
        Assert.Contains("not valid JSON", Assert.Throws<UserErrorException>(() => ModelConfig.Read(folder.Path)).Message);
    }

    [Fact]
    public void AMissingFileIsNamed()
    {
        using TemporaryFolder folder = new();
        string message = Assert.Throws<UserErrorException>(() => ModelConfig.Read(folder.Path)).Message;
        Assert.Contains(folder.File("config.json"), message);
        Assert.Contains("no such file", message);
    }
}
