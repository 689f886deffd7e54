using Conclave.Testing;

namespace Conclave.Engine.Tests.Requests;

/// <summary>An answer that waited for its seat is computed in one step as the prompt and as what it had been answered.</summary>
public sealed class WaitingAnswerTests
{
    [Fact]
    public async Task TheStepMayHaveAPromptInEverySeat()
    {
        // The long prompt takes a seat for three steps; the second answer of the short one gets the other in the third.
        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions { Context = 256, Contexts = 2, TokensPerStep = 64 });
        GenerationRequest[] requests = [Request(prompt: 150, answers: 1, tokens: 4), Request(prompt: 10, answers: 2, tokens: 2)];
        string[] alone = [.. await Alone(model, requests[0]), .. await Alone(model, requests[1])];
        using InferenceEngine engine = Start(model);
        IReadOnlyList<Generation> together = engine.Submit(requests);
        string[] answers = [.. await AnswerBits.ReadAsync(together[0]), .. await AnswerBits.ReadAsync(together[1])];
        Assert.Equal(alone, answers);
    }

    private static async Task<string[]> Alone(LoadedModel model, GenerationRequest request)
    {
        using InferenceEngine engine = Start(model);
        return await AnswerBits.ReadAsync(engine.Submit(request));
    }

    private static InferenceEngine Start(LoadedModel model) => new(model, new EngineOptions { MaxRunning = 2 });

    private static GenerationRequest Request(int prompt, int answers, int tokens) => new()
    {
        Prompt = [.. Enumerable.Range(100, prompt)],
        Samples = answers,
        Logprobs = 3,
        Sampling = new SamplingOptions { Seed = 3, MaxTokens = tokens, IgnoreEos = true },
    };
}
