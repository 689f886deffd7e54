using System.CommandLine;
using System.CommandLine.Invocation;

namespace Conclave.Cli.Frame;

/// <summary>What to say about arguments that could not be understood.</summary>
internal static class ParseErrors
{
    /// <summary>The errors, what might have been meant, and which command explains its arguments.</summary>
    public static string Describe(ParseResult result)
    {
        StringWriter text = new();
        if (result.Action is ParseErrorAction action)
        {
            // It knows the similar names; the help itself would hide the error.
            action.ShowHelp = false;
            action.ShowTypoCorrections = result.UnmatchedTokens is [{ Length: > 2 }];
        }

        result.Invoke(new InvocationConfiguration { Output = text, Error = text });
        List<string> names = [];
        for (System.CommandLine.Parsing.SymbolResult? at = result.CommandResult; at is not null; at = at.Parent)
        {
            if (at is System.CommandLine.Parsing.CommandResult { Command: not RootCommand } command)
            {
                names.Insert(0, command.Command.Name);
            }
        }

        string messages = string.Join('\n', text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        return $"{messages}\n'{string.Join(' ', ["conclave", .. names, "--help"])}' explains the arguments";
    }
}
