using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

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
        for (SymbolResult? at = result.CommandResult; at is not null; at = at.Parent)
        {
            if (at is CommandResult { Command: not RootCommand } command)
            {
                names.Insert(0, command.Command.Name);
            }
        }

        foreach (ParseError error in result.Errors)
        {
            if (WrongNumber(error) is { } plainly)
            {
                text.GetStringBuilder().Replace(error.Message, plainly);
            }
        }

        string messages = string.Join('\n', text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        return $"{messages}\n'{string.Join(' ', ["conclave", .. names, "--help"])}' explains the arguments";
    }

    /// <summary>What is wrong with a value that is no number, or is outside of its range, without the name of a .NET type; null: the error is another one.</summary>
    private static string? WrongNumber(ParseError error)
    {
        SymbolResult? at = error.SymbolResult;
        while (at is not null and not OptionResult)
        {
            at = at.Parent;
        }

        if (at is not OptionResult { Option: { } option, Tokens: [{ Value: { } value }] } || !error.Message.Contains($"{option.ValueType}", StringComparison.Ordinal))
        {
            return null;
        }

        Type type = Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType;
        string? expected =
            type == typeof(int) ? WholeNumber(int.MinValue, int.MaxValue)
            : type == typeof(long) ? WholeNumber(long.MinValue, long.MaxValue)
            : type == typeof(ulong) ? WholeNumber(ulong.MinValue, ulong.MaxValue)
            : type == typeof(double) ? "a number is expected"
            : null;
        return expected is null ? null : $"{option.Name} {value}: {expected}";
    }

    private static string WholeNumber<T>(T least, T most) => $"a whole number from {least} to {most} is expected";
}
