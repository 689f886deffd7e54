using System.Diagnostics;
using System.Text;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>What a command did.</summary>
internal sealed record CliResult(int Code, string Output, string Error)
{
    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}

/// <summary>The built command as a child process.</summary>
internal static class Cli
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    /// <summary>The program of the same configuration as these tests.</summary>
    public static string Program { get; } = Path.Combine(
        Repository.Root, "src", "Conclave.Cli", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", "conclave.dll");

    public static CliResult Run(params string[] arguments) => Run(arguments, input: "");

    public static CliResult Run(string[] arguments, string input = "", (string Name, string Value)[]? environment = null)
    {
        using Process process = Start("dotnet", [Program, .. arguments], environment);
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        return Finish(process);
    }

    public static CliResult RunProgram(string program, string[] arguments, (string Name, string Value)[]? environment = null, string? folder = null)
    {
        using Process process = Start(program, arguments, environment, folder);
        process.StandardInput.Close();
        return Finish(process);
    }

    public static Process Start(string program, string[] arguments, (string Name, string Value)[]? environment = null, string? folder = null)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = new UTF8Encoding(false, throwOnInvalidBytes: true),
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = folder ?? Repository.Root,
        };
        foreach ((string name, string value) in environment ?? [])
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    public static CliResult Finish(Process process)
    {
        Task<string> error = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{process.StartInfo.FileName} {string.Join(' ', process.StartInfo.ArgumentList)}: did not end within {Limit}");
        }

        return new CliResult(process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }
}
