using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>vLLM's field truncate_prompt_tokens: of a longer prompt only the last tokens are used.</summary>
internal static class PromptTruncation
{
    /// <summary>Most tokens of a prompt; null: as many as it has.</summary>
    public static int? Read(JsonBody body, int contextLength, int? maxTokens) => body.Integer("truncate_prompt_tokens") switch
    {
        null => null,
        >= 1 and int most => most,
        -1 => Math.Max(1, contextLength - Math.Max(1, maxTokens ?? 1)),
        int other => throw ApiException.Invalid(
            $"truncate_prompt_tokens: {other} is out of range; at least 1 is expected, or -1 for as many as the context holds beside the answer", "truncate_prompt_tokens"),
    };

    /// <summary>The last tokens of a prompt.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="most">How many; null: all.</param>
    /// <param name="kept">Tokens at the beginning that stay.</param>
    public static IReadOnlyList<int> Last(IReadOnlyList<int> prompt, int? most, int kept = 0) => most >= prompt.Count || most is not { } length
        ? prompt
        : [.. prompt.Take(Math.Min(kept, length)), .. prompt.Skip(prompt.Count - Math.Max(0, length - kept))];
}
