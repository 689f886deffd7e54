namespace Conclave.Engine;

/// <summary>The next piece of an answer.</summary>
/// <param name="Sample">Which answer, from 0.</param>
/// <param name="Token">The token that was generated; null where none was: at the end, when the model chose an end token or the answer was cancelled.</param>
/// <param name="Text">Text that can no longer change, often empty: characters that are not complete and beginnings of stop strings are held back.</param>
/// <param name="Logprobs">Of the token, where they were asked for; also of an end token, which is generated like any other though it is not handed out.</param>
/// <param name="Finish">Why the answer ended; null while it goes on.</param>
public readonly record struct GenerationUpdate(int Sample, int? Token, string Text, TokenLogprobs? Logprobs, FinishReason? Finish)
{
    /// <summary>The one of <see cref="SamplingOptions.StopStrings"/> that ended the answer; null where none did.</summary>
    public string? StopString { get; init; }

    /// <summary>The one of <see cref="SamplingOptions.StopTokens"/> that ended the answer; null where none did.</summary>
    public int? StopToken { get; init; }

    /// <summary>Tokens that were generated, 0 or 1: an end token is one, though it is not handed out.</summary>
    public int Generated => Token is not null || Finish is FinishReason.Stop ? 1 : 0;
}
