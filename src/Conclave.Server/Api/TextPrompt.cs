namespace Conclave.Server.Api;

/// <summary>A prompt of /v1/completions.</summary>
/// <param name="Tokens">Its tokens.</param>
/// <param name="Text">The text that was given; null: token ids were, or only a part of the text is used.</param>
/// <param name="Added">How many tokens the tokenizer put before a text.</param>
/// <param name="IsText">Whether a text was given: special tokens that are written out in it are part of it.</param>
internal sealed record TextPrompt(IReadOnlyList<int> Tokens, string? Text, int Added, bool IsText);
