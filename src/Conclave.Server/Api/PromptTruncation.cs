using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>vLLM's fields truncate_prompt_tokens and truncation_side: of a longer prompt only the last tokens, or the first, are used.</summary>
/// <param name="Most">Most tokens of a prompt.</param>
/// <param name="KeepsFirst">Whether the first are used.</param>
internal readonly record struct PromptTruncation(int Most, bool KeepsFirst)
{
    /// <summary>What the fields ask for; null: all of a prompt is used.</summary>
    public static PromptTruncation? Read(JsonBody body, int contextLength, int? maxTokens)
    {
        bool keepsFirst = body.String("truncation_side") switch
        {
            null or "left" => false,
            "right" => true,
            string other => throw ApiException.Invalid($"truncation_side: '{other}' is not known; left or right is expected", "truncation_side"),
        };
        return body.Integer("truncate_prompt_tokens") switch
        {
            null => null,
            >= 1 and int most => new PromptTruncation(most, keepsFirst),
            -1 => new PromptTruncation(Math.Max(1, contextLength - (maxTokens ?? 1)), keepsFirst),
            int other => throw ApiException.Invalid(
                $"truncate_prompt_tokens: {other} is out of range; at least 1 is expected, or -1 for as many as the context holds beside the answer", "truncate_prompt_tokens"),
        };
    }

    /// <summary>The tokens of a prompt that are used.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="kept">Tokens at the beginning that stay in any case.</param>
    public IReadOnlyList<int> Cut(IReadOnlyList<int> prompt, int kept = 0)
    {
        int first = KeepsFirst ? Most : Math.Min(kept, Most);
        return prompt.Count <= Most ? prompt : [.. prompt.Take(first), .. prompt.TakeLast(Most - first)];
    }
}
