using Conclave.Server.Http;
using Conclave.Text;

namespace Conclave.Server.Api;

/// <summary>A prompt as it stands before an answer: the text that was given, or that of the token ids.</summary>
/// <param name="Text">The text.</param>
/// <param name="Added">How many of the first tokens are not part of it: the client has not sent them.</param>
/// <param name="SkipSpecial">Whether special tokens have no place in it.</param>
internal sealed record PromptEcho(string Text, int Added, bool SkipSpecial)
{
    /// <summary>The echo of a prompt.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="skipSpecial">Whether special tokens among token ids are left out.</param>
    /// <exception cref="ApiException">The text is longer than a body may be.</exception>
    public static PromptEcho Of(TextPrompt prompt, Tokenizer tokenizer, bool skipSpecial)
    {
        bool skips = skipSpecial && !prompt.IsText;
        return new PromptEcho(prompt.Text ?? TokenText.Of(tokenizer, [.. prompt.Tokens.Skip(prompt.Added)], skips, "prompt"), prompt.Added, skips);
    }
}
