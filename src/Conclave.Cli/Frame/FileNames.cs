using System.CommandLine;
using System.CommandLine.Parsing;

namespace Conclave.Cli.Frame;

/// <summary>Options and arguments that name a file or a folder.</summary>
internal static class FileNames
{
    /// <summary>Has a command and its subcommands refuse an empty name wherever their help says FILE, DIR, or a name with an extension.</summary>
    public static void RefuseEmpty(Command command)
    {
        foreach (Option option in command.Options.Where(option => IsFileName(option.HelpName)))
        {
            option.Validators.Add(result => Check(result, option.Name));
        }

        foreach (Argument argument in command.Arguments.Where(argument => IsFileName(argument.Name)))
        {
            argument.Validators.Add(result => Check(result, argument.Name));
        }

        foreach (Command subcommand in command.Subcommands)
        {
            RefuseEmpty(subcommand);
        }
    }

    private static bool IsFileName(string? helpName) => helpName?.Split('|').Any(name => name is "FILE" or "DIR" || name.Contains('.')) == true;

    // A variable of a script that was not set, most likely.
    private static void Check(SymbolResult result, string name)
    {
        if (result.Tokens is [{ Value: "" }])
        {
            result.AddError($"{name}: the name is empty; that of a file or a folder is expected");
        }
    }
}
