using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Checkpoints.Tests;

public class ModelConfigTests
{
    private const string Compressed = """
        {"quant_method": "compressed-tensors", "format": "float-quantized", "sparsity_config": {}, "transform_config": {}, "kv_cache_scheme": null, "ignore": ["lm_head"],
         "config_groups": {"group_0": {"targets": ["Linear"], "input_activations": {"num_bits": 8, "type": "float", "strategy": "token", "dynamic": true}, "weights":
        """;

    public static TheoryData<string> Names => [.. ReleasedConfigs.Names];

    public static TheoryData<string> Directories => [.. TestModels.All];

    [Fact]
    public void DeepSeekV3IsReadWhole()
    {
        ModelConfig expected = new()
        {
            ModelType = "deepseek_v3", VocabularySize = 129280, HiddenSize = 7168, IntermediateSize = 18432, MoeIntermediateSize = 2048,
            Layers = 61, IsMoeLayer = [.. Enumerable.Range(0, 61).Select(layer => layer >= 3)], MtpLayers = 1, Heads = 128,
            QueryLoraRank = 1536, LatentDim = 512, NopeDim = 128, RopeDim = 64, ValueDim = 128, RoutedExperts = 256, SharedExperts = 1,
            ExpertsPerToken = 8, ExpertGroups = 8, GroupsPerToken = 4, Scoring = RouterScoring.Sigmoid,
            Selection = RouterSelection.NoAuxTc, NormalizeTopK = true, RoutedScalingFactor = 2.5, NormEpsilon = 1e-6, RopeTheta = 10000,
            RopeInterleaved = true, Yarn = new YarnScaling(40, 4096, 32, 1, 1, 1), MaxPositions = 163840, TieWordEmbeddings = false,
            ScaleBlock = (128, 128), BosToken = 0, EosTokens = [1], TorchDtype = "bfloat16", Architectures = ["DeepseekV3ForCausalLM"],
        };

        Assert.Equivalent(expected, Read(ReleasedConfigs.Released("DeepSeek-V3")), strict: true);
    }

    [Fact]
    public void FamiliesDifferAsTheirReleasesSay()
    {
        ModelConfig lite = Read(ReleasedConfigs.Released("DeepSeek-V2-Lite"));
        Assert.Null(lite.QueryLoraRank);
        Assert.Equal((RouterScoring.Softmax, RouterSelection.Greedy, false), (lite.Scoring, lite.Selection, lite.NormalizeTopK));
        Assert.Equal(new YarnScaling(40, 4096, 32, 1, 0.707, 0.707), lite.Yarn);
        Assert.Equal([false, true, true], lite.IsMoeLayer.Take(3));

        ModelConfig kimi = Read(ReleasedConfigs.Released("Kimi-K2"));
        Assert.Equal(("kimi_k2", 384, 2.827), (kimi.ModelType, kimi.RoutedExperts, kimi.RoutedScalingFactor));
        Assert.Equal(new YarnScaling(32, 4096, 1, 1, 1, 1), kimi.Yarn);

        ModelConfig moonlight = Read(ReleasedConfigs.Released("Moonlight"));
        Assert.Equal((50000, 1e-5, 2), (moonlight.RopeTheta, moonlight.NormEpsilon, moonlight.SharedExperts));
        Assert.Null(moonlight.Yarn);
        Assert.Null(moonlight.ScaleBlock);

        ModelConfig glm = Read(ReleasedConfigs.Released("GLM-4.7-Flash"));
        Assert.Equal([154820, 154827, 154829], glm.EosTokens);
        Assert.Equal((154820, null), (glm.PadToken, glm.BosToken));
        Assert.Equal((RouterScoring.Sigmoid, RouterSelection.NoAuxTc, 1), (glm.Scoring, glm.Selection, glm.MtpLayers));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void BothDialectsGiveTheSameModel(string name)
    {
        JsonObject released = ReleasedConfigs.Released(name);
        Assert.Equivalent(Read(released), Read(ReleasedConfigs.AsTransformers5(released)), strict: true);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void WhatIsWrittenIsReadBack(string name)
    {
        ModelConfig config = Read(ReleasedConfigs.Released(name));
        using TemporaryFolder folder = new();
        ModelConfigWriter.Write(folder.Path, config);
        Assert.Equivalent(config, ModelConfig.Read(folder.Path), strict: true);
    }

    [Fact]
    public void AnyPatternOfLayersIsReadBack()
    {
        ModelConfig config = Read(ReleasedConfigs.Released("DeepSeek-V3")) with
        {
            Layers = 5, IsMoeLayer = [false, true, false, true, true], QueryLoraRank = null, RopeInterleaved = false, EosTokens = [3, 4],
        };
        using TemporaryFolder folder = new();
        ModelConfigWriter.Write(folder.Path, config);
        Assert.Equivalent(config, ModelConfig.Read(folder.Path), strict: true);
    }

    [Theory]
    [MemberData(nameof(Directories))]
    public void ModelsOfThisRepositoryAreReadInBothDialects(string directory)
    {
        ModelConfig config = ModelConfig.Read(directory);
        JsonObject json = JsonNode.Parse(File.ReadAllText(Path.Combine(directory, "config.json")))!.AsObject();
        Assert.Equal(json["hidden_size"]!.GetValue<int>(), config.HiddenSize);
        Assert.Equal(json["num_hidden_layers"]!.GetValue<int>() - 1, config.IsMoeLayer.Count(isMoe => isMoe));
        if (json["topk_method"]!.GetValue<string>() != "group_limited_greedy")
        {
            Assert.Equivalent(config, Read(ReleasedConfigs.AsTransformers5(json)), strict: true);
        }
    }

    [Fact]
    public void KeysThatChangeNothingMayBeThere()
    {
        JsonObject json = Without("DeepSeek-V3", "bos_token_id", "eos_token_id", "ep_size");
        ModelConfig plain = Read(json);
        json["bos_token_id"] = -1;
        json["eos_token_id"] = new JsonArray(-1);

        // How many ranks somebody ran the model on.
        json["ep_size"] = 8;
        json["sliding_window"] = 4096;
        json["use_sliding_window"] = false;
        Assert.Equivalent(plain, Read(json), strict: true);
        json["bos_token_id"] = new JsonArray(7);
        json["eos_token_id"] = new JsonArray(3, -1, 4);
        Assert.Equal(7, Read(json).BosToken);
        Assert.Equal([3, 4], Read(json).EosTokens);
    }

    [Fact]
    public void AbsentKeysMeanWhatTheReleasedClassesSay()
    {
        JsonObject v3 = Without("DeepSeek-V3", "n_group", "topk_group", "first_k_dense_replace", "norm_topk_prob", "routed_scaling_factor",
            "rope_theta", "rope_scaling", "num_nextn_predict_layers", "rms_norm_eps", "tie_word_embeddings", "hidden_act",
            "attention_bias", "eos_token_id", "bos_token_id", "moe_layer_freq", "scoring_func", "topk_method", "quantization_config");
        ModelConfig config = Read(v3);
        Assert.Equal((8, 4, true, 2.5), (config.ExpertGroups, config.GroupsPerToken, config.NormalizeTopK, config.RoutedScalingFactor));
        Assert.Equal(3, config.IsMoeLayer.TakeWhile(isMoe => !isMoe).Count());
        Assert.Equal((10000, 1e-6, 0), (config.RopeTheta, config.NormEpsilon, config.MtpLayers));
        Assert.Null(config.Yarn);
        Assert.Null(config.ScaleBlock);
        Assert.Null(config.BosToken);
        Assert.Empty(config.EosTokens);

        ModelConfig glm = Read(Without("GLM-4.7-Flash", "first_k_dense_replace", "routed_scaling_factor", "rms_norm_eps"));
        Assert.Equal((1, 1.8, 1e-5), (glm.IsMoeLayer.Count(isMoe => !isMoe), glm.RoutedScalingFactor, glm.NormEpsilon));

        ModelConfig v2 = Read(Without("DeepSeek-V2-Lite", "first_k_dense_replace", "scoring_func", "topk_method", "norm_topk_prob"));
        Assert.All(v2.IsMoeLayer, Assert.True);
        Assert.Equal((RouterScoring.Softmax, RouterSelection.Greedy, false), (v2.Scoring, v2.Selection, v2.NormalizeTopK));
    }

    [Fact]
    public void YarnHasDefaults()
    {
        JsonObject json = ReleasedConfigs.Released("DeepSeek-V3");
        json["rope_scaling"] = new JsonObject { ["type"] = "yarn", ["factor"] = 4 };
        Assert.Equal(new YarnScaling(4, 4096, 32, 1, 1, 0), Read(json).Yarn);
    }

    [Fact]
    public void AnAttentionFactorIsKept()
    {
        JsonObject json = ReleasedConfigs.Released("DeepSeek-V3");
        json["rope_scaling"]!["attention_factor"] = 1.5;
        ModelConfig config = Read(json);
        Assert.Equal(1.5, config.Yarn!.AttentionFactor);
        using TemporaryFolder folder = new();
        ModelConfigWriter.Write(folder.Path, config);
        Assert.Equal(config.Yarn, ModelConfig.Read(folder.Path).Yarn);
    }

    [Theory]
    [InlineData("greedy")]
    [InlineData("gready")]
    public void TheDefaultOfTheReleasedClassIsGreedyHoweverSpelled(string method)
    {
        JsonObject json = ReleasedConfigs.Released("DeepSeek-V2-Lite");
        json["topk_method"] = method;
        Assert.Equal(RouterSelection.Greedy, Read(json).Selection);
    }

    [Theory]
    [InlineData("2", "0010")]
    [InlineData("3", "0001")]
    [InlineData("[1, 0, 1, 1]", "0011")]
    public void MoeLayersFollowTheFrequency(string frequency, string expected)
    {
        JsonObject json = ReleasedConfigs.Released("DeepSeek-V2-Lite");
        json["num_hidden_layers"] = 4;
        json["first_k_dense_replace"] = 1;
        json["moe_layer_freq"] = JsonNode.Parse(frequency);
        Assert.Equal(expected, string.Concat(Read(json).IsMoeLayer.Select(isMoe => isMoe ? '1' : '0')));
    }

    [Fact]
    public void WithoutRoutedExpertsTheModelIsDense()
    {
        JsonObject json = Without("DeepSeek-V3", "moe_intermediate_size", "n_shared_experts", "num_experts_per_tok");
        json["n_routed_experts"] = null;
        ModelConfig config = Read(json);
        Assert.All(config.IsMoeLayer, Assert.False);
        Assert.Equal((0, 0, 0), (config.RoutedExperts, config.SharedExperts, config.ExpertsPerToken));
    }

    [Fact]
    public void AbsentBlockSizeIsThatOfTheRelease()
    {
        JsonObject json = ReleasedConfigs.Released("DeepSeek-V3");
        json["quantization_config"]!.AsObject().Remove("weight_block_size");
        Assert.Equal((128, 128), Read(json).ScaleBlock);
        json["quantization_config"]!["weight_block_size"] = new JsonArray(64, 256);
        Assert.Equal((64, 256), Read(json).ScaleBlock);
    }

    [Theory]
    [InlineData("""{"quant_method": "fp8", "weight_block_size": null}""", 1 << 24, 1 << 24)]
    [InlineData("""{"quant_method": "fp8", "activation_scheme": "static", "ignored_layers": ["lm_head"]}""", 1 << 24, 1 << 24)]
    [InlineData(Compressed + """{"num_bits": 8, "type": "float", "strategy": "tensor", "symmetric": true, "dynamic": false}}}}""", 1 << 24, 1 << 24)]
    [InlineData(Compressed + """{"num_bits": 8, "type": "float", "strategy": "channel", "block_structure": null}}, "kv": {"weights": null}}}""", 1, 1 << 24)]
    [InlineData(Compressed + """{"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 64]}}}}""", 128, 64)]
    [InlineData(Compressed + """{"num_bits": 8, "type": "float", "strategy": "block", "block_structure": "128x64"}}}}""", 128, 64)]
    public void ScalesMayBeSharedInOtherWays(string quantization, int rows, int columns)
    {
        JsonObject json = ReleasedConfigs.Released("DeepSeek-V3");
        json["quantization_config"] = JsonNode.Parse(quantization);
        Assert.Equal((rows, columns), Read(json).ScaleBlock);
    }

    [Fact]
    public void KimiVlIsItsLanguageModel()
    {
        JsonObject text = ReleasedConfigs.Released("Moonlight");
        JsonObject json = new() { ["model_type"] = "kimi_vl", ["pad_token_id"] = 0, ["text_config"] = text, ["vision_config"] = new JsonObject { ["model_type"] = "moonvit" } };
        Assert.Equivalent(Read(text) with { TensorPrefix = "language_model." }, Read(json), strict: true);
        json["quantization_config"] = JsonNode.Parse("""{"quant_method": "fp8", "weight_block_size": [128, 64]}""");
        Assert.Equal((128, 64), Read(json).ScaleBlock);
        text["model_type"] = "llama";
        Assert.Contains("$.text_config.model_type: \"llama\" is not supported", Assert.Throws<UserErrorException>(() => Read(json)).Message, StringComparison.Ordinal);
    }

    internal static ModelConfig Read(JsonObject json)
    {
        using TemporaryFolder folder = new();
        folder.Write("config.json", json.ToJsonString());
        return ModelConfig.Read(folder.Path);
    }

    private static JsonObject Without(string name, params string[] keys)
    {
        JsonObject json = ReleasedConfigs.Released(name);
        foreach (string key in keys)
        {
            Assert.True(json.Remove(key));
        }

        return json;
    }
}
