using System.Text;

namespace Conclave.Cli.Frame;

/// <summary>Standard error that takes every line and loses those that cannot be written (a full disk, a terminal that has gone): what a command does must not end because nobody hears of it.</summary>
internal sealed class StandardError : TextWriter
{
    private readonly TextWriter _console;

    private StandardError(TextWriter console) => _console = console;

    /// <inheritdoc/>
    public override Encoding Encoding => _console.Encoding;

    /// <summary>Puts it in the place of the console's own, for loggers and libraries too.</summary>
    public static void Install() => Console.SetError(new StandardError(Console.Error));

    /// <inheritdoc/>
    public override void Write(char value) => Try(() => _console.Write(value));

    /// <inheritdoc/>
    public override void Write(char[] buffer, int index, int count) => Try(() => _console.Write(buffer, index, count));

    // A line is one write: others may write to the same file.
    /// <inheritdoc/>
    public override void WriteLine(string? value) => Try(() => _console.WriteLine(value));

    private static void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // There is no other place to say so.
        }
    }
}
