using System.CommandLine;
using Conclave.Primitives;

namespace Conclave.Cli.Frame;

/// <summary>--api-key KEY, or @FILE: everyone on a machine sees the arguments of its processes.</summary>
/// <param name="description">What the key is for.</param>
/// <param name="isSent">Whether this process puts it into a header, which not every text can be; what clients may send is their matter.</param>
internal sealed class ApiKeyOption(string description, bool isSent)
{
    private readonly Option<string?> _option = new("--api-key") { Description = $"{description}; @FILE reads it from a file", HelpName = "KEY|@FILE" };

    /// <summary>Adds the option.</summary>
    public void AddTo(Command command) => command.Add(_option);

    /// <summary>The key, or null. It appears in no message.</summary>
    /// <exception cref="UserErrorException">The file cannot be read, or the key cannot be sent in a header.</exception>
    public string? Read(ParseResult result)
    {
        if (result.GetValue(_option) is not { } given)
        {
            return null;
        }

        string key = given.StartsWith('@') ? ReadFile(given[1..]).Trim() : given;
        if (key.Length == 0)
        {
            throw new UserErrorException($"{_option.Name}: the key is empty");
        }

        return !isSent || key.All(c => c is >= ' ' and < '\u007f') ? key : throw new UserErrorException($"{_option.Name}: printable ASCII is expected");
    }

    // No TextFile: it would name the file without the option that it was given to.
    private string ReadFile(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UserErrorException($"{_option.Name} @{path}: the file cannot be read: {e.Message}", e);
        }
    }
}
