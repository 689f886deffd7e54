using System.CommandLine;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>--plot FILE.svg.</summary>
internal sealed class PlotFile(string description)
{
    private readonly Option<string?> _option = new("--plot") { Description = description, HelpName = "FILE.svg" };

    /// <summary>Adds the option.</summary>
    public void AddTo(Command command) => command.Add(_option);

    /// <summary>Called before anything is measured: mistakes in the options should not cost that time.</summary>
    /// <exception cref="UserErrorException">No file can lie or be written there.</exception>
    public void Check(ParseResult result)
    {
        if (result.GetValue(_option) is not { } plot)
        {
            return;
        }

        if (Directory.Exists(plot) || !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(plot))))
        {
            throw new UserErrorException($"--plot {plot}: not a file in a folder that exists");
        }

        // What has no length may be a pipe, whose reader would take this for the whole picture.
        bool isNew = !File.Exists(plot);
        if (isNew || new FileInfo(plot).Length > 0)
        {
            Try(plot, () => File.Open(plot, FileMode.OpenOrCreate, FileAccess.Write).Dispose());
        }

        if (isNew)
        {
            File.Delete(plot);
        }
    }

    /// <summary>Writes the picture if it was asked for.</summary>
    public void Write(ParseResult result, Func<string> svg)
    {
        if (result.GetValue(_option) is { } plot)
        {
            Try(plot, () => File.WriteAllText(plot, svg()));
        }
    }

    private static void Try(string plot, Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"--plot {plot}: cannot be written: {e.Message}", e);
        }
    }
}
