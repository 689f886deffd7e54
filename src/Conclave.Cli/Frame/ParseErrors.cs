using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace Conclave.Cli.Frame;

/// <summary>What to say about arguments that could not be understood.</summary>
internal static class ParseErrors
{
    /// <summary>What is wrong with arguments, what might have been meant, and which command explains them; null: nothing is wrong.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="parse">Parses them, and the first of them alone.</param>
    /// <param name="result">What they mean.</param>
    public static string? Describe(string[] args, Func<string[], ParseResult> parse, out ParseResult result)
    {
        result = parse(args);
        if (result.Action is { ClearsParseErrors: true })
        {
            return null;
        }

        string[] first = UnknownOptions.Before(args);
        ParseResult beginning = first.Length == args.Length ? result : parse(first);
        return UnknownOptions.Find(beginning) is { } option ? WithHelp(result, UnknownOptions.Describe(beginning, option))
            : result.Errors.Count > 0 ? WithHelp(result, Messages(result))
            : null;
    }

    private static string Messages(ParseResult result)
    {
        StringWriter text = new();
        if (result.Action is ParseErrorAction action)
        {
            // It knows the similar names; the help itself would hide the error.
            action.ShowHelp = false;
            action.ShowTypoCorrections = result.UnmatchedTokens is [{ Length: > 2 }];
        }

        result.Invoke(new InvocationConfiguration { Output = text, Error = text });
        return string.Join('\n', text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
    }

    private static string WithHelp(ParseResult result, string messages)
    {
        List<string> names = [];
        for (SymbolResult? at = result.CommandResult; at is not null; at = at.Parent)
        {
            if (at is CommandResult { Command: not RootCommand } command)
            {
                names.Insert(0, command.Command.Name);
            }
        }

        return $"{messages}\n'{string.Join(' ', ["conclave", .. names, "--help"])}' explains the arguments";
    }
}
