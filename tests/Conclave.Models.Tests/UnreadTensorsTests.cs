using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Models.Tests;

/// <summary>Tensors that would change what a model computes are refused where nothing asks for them.</summary>
public sealed class UnreadTensorsTests
{
    [Theory]
    [InlineData("v2-greedy-bf16", "model.layers.1.self_attn.q_a_proj.bias")]
    [InlineData("v2-greedy-bf16", "model.layers.0.self_attn.q_norm.weight")]
    [InlineData("v2-greedy-bf16", "model.layers.2.mlp.experts.3.gate_proj.bias")]
    [InlineData("v2-greedy-bf16", "model.layers.2.mlp.experts.8.gate_proj.weight")]
    [InlineData("v2-greedy-bf16", "model.layers.0.mlp.experts.3.gate_proj.weight")]
    [InlineData("v2-greedy-bf16", "model.layers.2.mlp.gate.e_score_correction_bias")]
    [InlineData("v2-greedy-bf16", "model.layers.2.self_attn.indexer.wk.weight")]
    [InlineData("v2-greedy-bf16", "model.norm.bias")]
    [InlineData("v2-greedy-bf16", "lm_head.bias")]
    [InlineData("v3-mtp-fp8", "model.layers.3.post_mlp_layernorm.weight")]
    public void OneThatMattersIsNamed(string model, string name)
    {
        CheckpointCopy copy = new(Repository.Model(model));
        copy.Tensors.Add(name, CopiedTensor.Of([1, 2], 1, 2));
        string message = Assert.Throws<UserErrorException>(() => copy.Logits()).Message;
        Assert.Contains("1 problem with its tensors", message, StringComparison.Ordinal);
        Assert.Contains($"tensor \"{name}\" of model.safetensors is no part of the model that config.json describes", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("v2-greedy-bf16", "model.layers.1.self_attn.rotary_emb.inv_freq")]
    [InlineData("v2-greedy-bf16", "model.layers.1.self_attn.k_scale")]
    [InlineData("v2-greedy-bf16", "model.layers.1.self_attn.kv_scale")]
    [InlineData("v2-greedy-bf16", "model.layers.2.mlp.experts.3.gate_proj.input_scale")]
    [InlineData("v2-greedy-bf16", "model.layers.3.eh_proj.weight")]
    [InlineData("v2-greedy-bf16", "vision_tower.patch_embed.proj.bias")]
    [InlineData("v3-mtp-fp8", "model.layers.4.self_attn.q_norm.weight")]
    public void OthersMayBeThere(string model, string name)
    {
        CheckpointCopy copy = new(Repository.Model(model));
        copy.Tensors.Add(name, CopiedTensor.Of([1, 2], 1, 2));
        Assert.Equal(CheckpointCopy.Logits(Repository.Model(model)), copy.Logits());
    }

    [Fact]
    public void SharedExpertsOfNoWidthMayBeThere()
    {
        CheckpointCopy copy = new(Repository.Model("v2-greedy-bf16"));
        copy.Config["n_shared_experts"] = 0;
        string[] shared = [.. copy.Tensors.Keys.Where(name => name.Contains(".shared_experts.", StringComparison.Ordinal))];
        Assert.NotEmpty(shared);
        foreach (string name in shared)
        {
            copy.Take(name);
        }

        uint[] without = copy.Logits();
        foreach (string name in shared)
        {
            copy.Tensors.Add(name, CopiedTensor.Of([0, 48]));
        }

        Assert.Equal(without, copy.Logits());
    }

    [Theory]
    [InlineData("v2-greedy-bf16")]
    [InlineData("v3-mtp-fp8")]
    public void ARankDoesNotAskForTheExpertsOfOthers(string model)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Model(model));
        using WorkerTeam team = new(1);
        LocalExchange exchange = new(checkpoint.Config.RoutedExperts, checkpoint.Config.ExpertsPerToken, KernelSet.Best, team);
        using DeepSeekModel ofRank = new(checkpoint, KernelSet.Best, team, new ModelOptions { CacheBlocks = 1, Experts = new ExpertPartition(exchange, _ => [2]) });
        Assert.Equal([2], ofRank.Experts.Experts(1));
    }
}
