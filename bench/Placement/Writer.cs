using Conclave.Engine;

namespace Conclave.Bench.Placements;

/// <summary>Lets a model answer prompts; every text is another one, and the same in each run.</summary>
internal sealed class Writer(LoadedModel model, InferenceEngine engine)
{
    private int _next;

    /// <summary>Writes one text.</summary>
    /// <returns>Its tokens, the prompt's before the answer's.</returns>
    public async Task<int[]> WriteAsync(Func<Random, string> prompt)
    {
        int number = Interlocked.Increment(ref _next);
        List<int> tokens = [];
        model.Tokenizer.Encode($"<｜begin▁of▁sentence｜><｜User｜>{prompt(new Random(number))}<｜Assistant｜><think>\n", tokens, addSpecialTokens: false);
        Generation generation = engine.Submit(new GenerationRequest { Prompt = [.. tokens], Sampling = model.SuggestedSampling with { Seed = number, MaxTokens = 800 } });
        await foreach (GenerationUpdate update in generation.ReadAllAsync().ConfigureAwait(false))
        {
            if (update.Token is { } token)
            {
                tokens.Add(token);
            }
        }

        return [.. tokens];
    }
}
