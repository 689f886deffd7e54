using System.Text.Json;
using Conclave.Server.Http;
using Conclave.Text;

namespace Conclave.Server.Api;

/// <summary>The field prompt of /v1/completions: texts or token ids, each of which fits the context.</summary>
/// <param name="service">The model and how much fits.</param>
/// <param name="special">Whether texts get what the tokenizer puts around them.</param>
/// <param name="truncation">What is used of each; null: all, and one that is too long is refused.</param>
/// <param name="maxTokens">The most tokens of an answer.</param>
/// <param name="cancellation">Stops reading.</param>
internal sealed class PromptField(ModelService service, bool special, PromptTruncation? truncation, MaxTokensField maxTokens, CancellationToken cancellation)
{
    private const string Expected = "a string, token ids, or a list of these";

    public List<TextPrompt> Read(JsonBody body)
    {
        JsonElement prompt = body.Element("prompt") ?? throw ApiException.Invalid($"prompt: {Expected} is expected", "prompt");
        if (prompt.ValueKind == JsonValueKind.String)
        {
            return [Encode(JsonBody.Text(prompt, "prompt"), "prompt")];
        }

        if (prompt.ValueKind != JsonValueKind.Array)
        {
            throw JsonBody.Wrong("prompt", Expected, prompt);
        }

        if (prompt.GetArrayLength() == 0)
        {
            throw ApiException.Invalid($"prompt: an empty list; {Expected} is expected", "prompt");
        }

        return prompt[0].ValueKind == JsonValueKind.Number
            ? [Tokens(prompt, "prompt")]
            : JsonBody.Entries(prompt, "prompt", RequestLimits.Prompts, (entry, path) => entry.ValueKind == JsonValueKind.Array
                ? Tokens(entry, path)
                : Encode(JsonBody.Text(entry, path), path));
    }

    private TextPrompt Tokens(JsonElement prompt, string path)
    {
        service.CheckContext("prompt", Math.Min(prompt.GetArrayLength(), truncation?.Most ?? int.MaxValue), maxTokens);
        List<int> tokens = JsonBody.Integers(prompt, path, RequestLimits.Tokens);
        return new TextPrompt(Some(truncation?.Cut(tokens) ?? tokens, path), null, 0, IsText: false);
    }

    private static IReadOnlyList<int> Some(IReadOnlyList<int> tokens, string path) =>
        tokens.Count > 0 ? tokens : throw ApiException.Invalid($"{path}: no tokens; at least one is expected", "prompt");

    // As in vLLM, what the tokenizer puts before a text, such as a token of the beginning, stays.
    private TextPrompt Encode(string text, string path)
    {
        Tokenizer tokenizer = service.Model.Tokenizer;
        List<int> ids = [];
        long count = tokenizer.Encode(text, ids, special, most: truncation is null ? service.MostPromptTokens : int.MaxValue, cancellation: cancellation);
        service.CheckContext("prompt", Math.Min(count, truncation?.Most ?? long.MaxValue), maxTokens);
        List<int> around = [];
        tokenizer.Encode("", around, special);
        int added = around.Zip(ids).TakeWhile(pair => pair.First == pair.Second).Count();
        return truncation is { } cut && ids.Count > cut.Most
            ? new TextPrompt(cut.Cut(ids, added), null, Math.Min(added, cut.Most), IsText: true)
            : new TextPrompt(Some(ids, path), text, added, IsText: true);
    }
}
