using System.Text.Json.Nodes;
using Conclave.Testing;

namespace Conclave.Engine.Tests.Requests;

/// <summary>A model without experts: the first layer of a small one, which is dense.</summary>
public sealed class DenseModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ItHasNoLoadOfExperts()
    {
        string source = Repository.Model("v2-greedy-bf16");
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject();
        config["num_hidden_layers"] = 1;
        config["n_routed_experts"] = null;
        _folder.Write("config.json", config.ToJsonString());
        File.Copy(Path.Combine(source, "model.safetensors"), _folder.File("model.safetensors"));
        File.Copy(Path.Combine(Repository.Fable, "tokenizer.json"), _folder.File("tokenizer.json"));
        using LoadedModel model = LoadedModel.Open(_folder.Path, new LoadOptions());
        using InferenceEngine engine = new(model, new EngineOptions { ExpertMetrics = true });
        Assert.Null(engine.ExpertLoad);
        GenerationRequest request = new() { Prompt = [5, 6], Sampling = new SamplingOptions { MaxTokens = 3, IgnoreEos = true } };
        Assert.Equal(3, GeneratedText.Wait(engine, request, static _ => { }, TestContext.Current.CancellationToken).Tokens.Count);
    }
}
