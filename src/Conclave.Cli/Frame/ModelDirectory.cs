using System.CommandLine;
using Conclave.Primitives;

namespace Conclave.Cli.Frame;

/// <summary>Which checkpoint a command works on.</summary>
internal static class ModelDirectory
{
    /// <summary>--model DIR, for commands that can do without it.</summary>
    public static Option<string?> Option() => new("--model")
    {
        Description = "The folder of a checkpoint: config.json, *.safetensors, a tokenizer. Default: the bundled model fable",
        HelpName = "DIR",
    };

    /// <summary>DIR, for commands that are about one checkpoint.</summary>
    public static Argument<string> Argument() => new("DIR") { Description = "The folder of a checkpoint" };

    /// <summary>The folder that was given, or that of the bundled model.</summary>
    /// <exception cref="UserErrorException">There is no such folder.</exception>
    public static string Resolve(string? given) => given is null ? Bundled() : Existing(given);

    private static string Existing(string given)
    {
        if (File.Exists(given))
        {
            throw new UserErrorException($"{given}: a file; the folder of a checkpoint is expected");
        }

        return Directory.Exists(given)
            ? given
            : throw new UserErrorException($"{given}: there is no such folder; the folder of a checkpoint is expected");
    }

    private static string Bundled()
    {
        // Beside the program when it is packaged, above it in a checkout.
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string fable = Path.Combine(folder.FullName, "models", "fable");
            if (File.Exists(Path.Combine(fable, "config.json")))
            {
                return fable;
            }
        }

        throw new UserErrorException(
            $"the bundled model was not found as models/fable in {AppContext.BaseDirectory} or above it; --model DIR names another one");
    }
}
