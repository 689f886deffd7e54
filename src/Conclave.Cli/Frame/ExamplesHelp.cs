using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Conclave.Cli.Frame;

/// <summary>The help of System.CommandLine with the examples of the command, or of all commands, at the end.</summary>
internal sealed class ExamplesHelp(HelpAction inner) : SynchronousCommandLineAction
{
    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <summary>Gives the root command, and with it all others, this help; it answers to --help and -h only, "/h" may be a text.</summary>
    public static void Install(RootCommand root)
    {
        foreach (HelpOption standard in root.Options.OfType<HelpOption>().ToArray())
        {
            root.Options.Remove(standard);
        }

        HelpOption help = new("--help", "-h") { Recursive = true };
        help.Action = new ExamplesHelp((HelpAction)help.Action!);
        root.Options.Add(help);
    }

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        int code = inner.Invoke(parseResult);
        TextWriter output = parseResult.InvocationConfiguration.Output;
        Command command = parseResult.CommandResult.Command;
        IEnumerable<(string Line, string Meaning)> examples = command is CliCommand one
            ? one.Examples
            : command.Subcommands.OfType<CliCommand>().Select(each => each.Examples[0]);
        output.WriteLine("Examples:");
        foreach ((string line, string meaning) in examples)
        {
            output.WriteLine($"  {line}");
            output.WriteLine($"      {meaning}");
        }

        output.WriteLine();
        return code;
    }
}
