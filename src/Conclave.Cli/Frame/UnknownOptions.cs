using System.CommandLine;
using System.CommandLine.Parsing;

namespace Conclave.Cli.Frame;

/// <summary>Arguments that look like options and are none: a mistyped option must not become a prompt.</summary>
internal static class UnknownOptions
{
    private const string EndOfOptions = "--";

    // Of a name and what was typed: a letter more, another letter and a letter less, not another word.
    private const int MostTypos = 3;

    /// <summary>The arguments that may hold options: those before "--".</summary>
    public static string[] Before(string[] args) => args.AsSpan().IndexOf(EndOfOptions) is >= 0 and int end ? args[..end] : args;

    /// <summary>The first of them; null: there is none.</summary>
    /// <param name="result">Of the arguments before "--".</param>
    public static string? Find(ParseResult result) =>
        result.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens).Select(token => token.Value).Concat(result.UnmatchedTokens)
            .FirstOrDefault(LooksLikeOption);

    /// <summary>What to say about one.</summary>
    public static string Describe(ParseResult result, string argument)
    {
        string name = argument.Split('=')[0].Replace('_', '-');
        string? near = Names(result.CommandResult).Where(other => Typos(name, other) <= Math.Min(MostTypos, name.Length / 3)).MinBy(other => Typos(name, other));
        return $"{argument}: there is no such option{(near is null ? "" : $"; was {near} meant?")}\nA text that begins with dashes is given behind \"{EndOfOptions}\"";
    }

    // Numbers may be negative, "-" is standard input, and "- " begins a list.
    private static bool LooksLikeOption(string argument) => argument is ['-', '-', ..] || (argument is ['-', char letter, ..] && char.IsAsciiLetter(letter));

    private static IEnumerable<string> Names(CommandResult command)
    {
        IEnumerable<Option> options = command.Command.Options;
        for (SymbolResult? at = command.Parent; at is not null; at = at.Parent)
        {
            options = options.Concat(((CommandResult)at).Command.Options.Where(option => option.Recursive));
        }

        return options.Where(option => !option.Hidden).SelectMany(option => option.Aliases.Prepend(option.Name));
    }

    // Levenshtein's distance: letters to insert, to remove and to replace.
    private static int Typos(string typed, string name)
    {
        int[] row = [.. Enumerable.Range(0, name.Length + 1)];
        foreach ((int i, char letter) in typed.Index())
        {
            int diagonal = row[0];
            row[0] = i + 1;
            for (int j = 1; j <= name.Length; j++)
            {
                int replaced = diagonal + (name[j - 1] == letter ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
