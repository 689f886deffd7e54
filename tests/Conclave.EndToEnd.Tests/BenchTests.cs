using System.Text.Json;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>conclave bench: that it counts what the operators do. How fast they are is for people to read.</summary>
public sealed class BenchTests
{
    [Fact]
    public void Decoding_reads_every_weight_of_the_chosen_experts_once()
    {
        CliResult result = Cli.Run("bench", "model", Repository.Fable, "--prefill", "32", "--decode", "64", "--steps", "2", "--repeat", "1", "--json");
        Assert.Equal(0, result.Code);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        JsonElement[] workloads = [.. document.RootElement.GetProperty("workloads").EnumerateArray()];
        Assert.Equal(["prefill", "decode"], workloads.Select(workload => workload.GetProperty("phase").GetString()));
        JsonElement operators = workloads[1].GetProperty("operators");

        // Two steps of one token: in each MoE layer one call of the routed experts, which reads k experts of three FP8 matrices [I, H] with their block scales.
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Fable, "config.json")));
        int Config(string name) => config.RootElement.GetProperty(name).GetInt32();
        long elements = 3L * Config("moe_intermediate_size") * Config("hidden_size");
        int moeLayers = Config("num_hidden_layers") - Config("first_k_dense_replace");
        JsonElement routed = operators.GetProperty("experts, routed");
        Assert.Equal(2 * moeLayers, routed.GetProperty("calls").GetInt32());
        Assert.Equal(2.0 * 2 * moeLayers * Config("num_experts_per_tok") * elements, routed.GetProperty("flops").GetDouble());
        double bytes = routed.GetProperty("bytes").GetDouble() / (2.0 * moeLayers * Config("num_experts_per_tok"));
        Assert.InRange(bytes, elements, elements * 1.01);

        foreach (JsonElement workload in workloads)
        {
            Assert.True(workload.GetProperty("tokens_per_second").GetDouble() > 0);
            Assert.True(workload.GetProperty("limit_bytes_per_second").GetDouble() > 0);
            Assert.Equal(1, workload.GetProperty("roofline_shares").GetArrayLength());
        }
    }

    [Fact]
    public void Kernels_of_every_format_are_timed()
    {
        CliResult result = Cli.Run("bench", "kernels", "--filter", "experts/", "--repeat", "1", "--json");
        Assert.Equal(0, result.Code);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        JsonElement[] kernels = [.. document.RootElement.GetProperty("kernels").EnumerateArray()];
        Assert.Equal(["F8_E4M3", "BF16", "F16", "F32"], kernels.Select(kernel => kernel.GetProperty("format").GetString()).Distinct());
        Assert.All(kernels, kernel => Assert.True(kernel.GetProperty("times_reference").GetDouble() > 0));
    }

    [Theory]
    [InlineData("--prefill", "12,x", "\"x\" is no number")]
    [InlineData("--prefill", "2000000", "does not fit the model's context")]
    [InlineData("--batch", "0", "\"0\" is no number from 1 on")]
    [InlineData("--repeat", "0", "at least 1")]
    [InlineData("--steps", "-1", "at least 1")]
    public void A_mistake_ends_with_one_sentence(string option, string value, string part)
    {
        CliResult result = Cli.Run("bench", "model", Repository.Fable, option, value);
        Assert.Equal(2, result.Code);
        Assert.Contains(part, result.Error, StringComparison.Ordinal);
    }
}
