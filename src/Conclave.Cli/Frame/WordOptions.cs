using System.CommandLine;
using System.CommandLine.Parsing;

namespace Conclave.Cli.Frame;

/// <summary>Options whose value is one of a few words.</summary>
internal static class WordOptions
{
    /// <summary>Has an option refuse other words in a sentence that names it, which System.CommandLine's own does not.</summary>
    public static void AcceptOnly(this Option<string> option, params string[] words)
    {
        option.CompletionSources.Add(words);
        option.Validators.Add(result =>
        {
            foreach (Token token in result.Tokens.Where(token => !words.Contains(token.Value)))
            {
                result.AddError($"{option.Name} {token.Value}: {string.Join(", ", words[..^1])} or {words[^1]} is expected");
            }
        });
    }
}
