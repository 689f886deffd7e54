using Conclave.Text.Grammars;

namespace Conclave.Engine;

/// <summary>What somebody wants generated.</summary>
public sealed record GenerationRequest
{
    /// <summary>Most alternatives that <see cref="Logprobs"/> and <see cref="PromptLogprobs"/> may ask for.</summary>
    public const int MostLogprobs = 20;

    /// <summary>The tokens before the answer, at least one.</summary>
    public required IReadOnlyList<int> Prompt { get; init; }

    /// <summary>How tokens are chosen and when an answer ends.</summary>
    public required SamplingOptions Sampling { get; init; }

    /// <summary>How many answers (n). Where the sampling has a seed, answer i draws with seed + i.</summary>
    public int Samples { get; init; } = 1;

    /// <summary>Lower values are served first.</summary>
    public int Priority { get; init; }

    /// <summary>For each token of the answer, an end token included, its log-probability and those of so many most probable tokens, 0 to 20; null: none.</summary>
    public int? Logprobs { get; init; }

    /// <summary>The same for the tokens of the prompt. Then nothing of the prefix cache is reused.</summary>
    public int? PromptLogprobs { get; init; }

    /// <summary>
    /// The texts that an answer may be; null: any. An answer that ends by itself is one of them, one that ends for its length or a stop string is the begin of one.
    /// </summary>
    public Grammar? Grammar { get; init; }

    /// <summary>Leaves special tokens out of the text.</summary>
    public bool SkipSpecialTokens { get; init; } = true;

    /// <summary>Whether the answer is a conversation's next message; traces tell chats from completions.</summary>
    public bool IsChat { get; init; }

    /// <summary>The id of the response that the answers become part of, for traces; null: none.</summary>
    public string? ResponseId { get; init; }
}
