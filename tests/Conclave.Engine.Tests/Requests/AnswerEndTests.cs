using System.Diagnostics.Metrics;
using Conclave.Testing;
using Conclave.Text;

namespace Conclave.Engine.Tests.Requests;

/// <summary>What is told of an answer that has ended.</summary>
public sealed class AnswerEndTests
{
    private const int Letter = 70;
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Repository.Fable);

    [Fact]
    public async Task TheLastUpdateSaysWhichOfTheRequestsStopsEndedIt()
    {
        string letter = Tokenizer.Decode([Letter], skipSpecialTokens: true);
        Assert.Equal((FinishReason.Length, null, null), await EndAsync(new SamplingOptions()));
        Assert.Equal((FinishReason.Stop, letter + letter, null), await EndAsync(new SamplingOptions { StopStrings = ["x", letter + letter] }));
        Assert.Equal((FinishReason.Stop, null, Letter), await EndAsync(new SamplingOptions { StopTokens = [3, Letter] }));

        // The model's own end is none of the request's.
        Assert.Equal((FinishReason.Stop, null, null), await EndAsync(new SamplingOptions(), endTokens: [Letter]));
    }

    /// <summary>As in vLLM, the first token does not count: it is there when the time begins.</summary>
    [Fact]
    public async Task TimePerOutputTokenIsThatOfTheAnswersWithMoreThanOne()
    {
        const string Model = "time per output token";
        List<double> recorded = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name == "conclave_request_time_per_output_token_seconds")
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<double>((_, value, tags, _) =>
        {
            // Engines of other tests write to the same meter.
            if (tags.ToArray().Contains(new("model_name", Model)))
            {
                recorded.Add(value);
            }
        });
        listener.Start();
        using InferenceEngine engine = Start([], Model);
        foreach (int tokens in (int[])[1, 5])
        {
            Generation generation = engine.Submit(new GenerationRequest { Prompt = [5], Sampling = new SamplingOptions { Temperature = 0, MaxTokens = tokens } });
            await LastAsync(generation);
            Assert.Equal(tokens == 1 ? [] : [generation.Times.Decode.TotalSeconds / 4], recorded);
        }
    }

    private static async Task<(FinishReason? Finish, string? StopString, int? StopToken)> EndAsync(SamplingOptions sampling, params int[] endTokens)
    {
        using InferenceEngine engine = Start(endTokens, null);
        GenerationUpdate last = await LastAsync(engine.Submit(new GenerationRequest { Prompt = [5], Sampling = sampling with { Temperature = 0, MaxTokens = 6 } }));
        return (last.Finish, last.StopString, last.StopToken);
    }

    private static async Task<GenerationUpdate> LastAsync(Generation generation)
    {
        GenerationUpdate last = default;
        await foreach (GenerationUpdate update in generation.ReadAllAsync(TestContext.Current.CancellationToken))
        {
            Assert.Equal((null, null, null), (last.Finish, last.StopString, last.StopToken));
            last = update;
        }

        return last;
    }

    private static InferenceEngine Start(int[] endTokens, string? model) => new(
        new ScriptedRunner(Tokenizer.VocabularySize), Tokenizer, endTokens, new EngineSizes(CacheBlocks: 8, TokensPerStep: 8, ContextLength: 64),
        new EngineOptions { MaxRunning = 2, ModelName = model });
}
