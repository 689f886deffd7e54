namespace Conclave.Cli.Frame;

/// <summary>How another process of this very program is started.</summary>
internal static class ThisProgram
{
    /// <summary>dotnet conclave.dll, or a program of its own.</summary>
    public static string[] Command { get; } = Path.GetFileName(Environment.ProcessPath!) == "dotnet"
        ? [Environment.ProcessPath!, Path.Combine(AppContext.BaseDirectory, "conclave.dll")]
        : [Environment.ProcessPath!];
}
