using System.CommandLine;

namespace Conclave.Cli.Frame;

/// <summary>A command whose help ends with examples.</summary>
internal sealed class CliCommand(string name, string description, params (string Line, string Meaning)[] examples) : Command(name, description)
{
    /// <summary>What a person could type, and what it does.</summary>
    public IReadOnlyList<(string Line, string Meaning)> Examples { get; } = examples;
}
