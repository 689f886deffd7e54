using System.Text;
using Spectre.Console;

namespace Conclave.Cli.Frame;

/// <summary>What the terminal can show, and what may be sent to it.</summary>
internal static class Terminal
{
    /// <summary>True where escape sequences may be written to standard output: a terminal, and no wish against colours (no-color.org).</summary>
    public static bool OutputHasColours => !Console.IsOutputRedirected && ColoursAreWelcome;

    /// <summary>The same for standard error.</summary>
    public static bool ErrorHasColours => !Console.IsErrorRedirected && ColoursAreWelcome;

    private static bool ColoursAreWelcome =>
        string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) && Environment.GetEnvironmentVariable("TERM") is not "dumb";

    /// <summary>Tables and rules on standard output. Not for text of models: that goes to the writer itself.</summary>
    public static IAnsiConsole Formatted(TextWriter output)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = OutputHasColours ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = OutputHasColours ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        if (Console.IsOutputRedirected)
        {
            // There is no width: lines stay whole.
            console.Profile.Width = 240;
        }

        return console;
    }

    /// <summary>Progress on standard error; null where nobody would see it move.</summary>
    public static IAnsiConsole? Progress() => !ErrorHasColours
        ? null
        : AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error), Ansi = AnsiSupport.Yes });

    /// <summary>A line with text from files: control characters, which could steer the terminal or begin another line, become visible.</summary>
    public static string Printable(string text)
    {
        StringBuilder result = new(text.Length);
        foreach (char c in text)
        {
            if (char.IsControl(c))
            {
                result.Append($"\\u{(int)c:x4}");
            }
            else
            {
                result.Append(c);
            }
        }

        return result.ToString();
    }
}
