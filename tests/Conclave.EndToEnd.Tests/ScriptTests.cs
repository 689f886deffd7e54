using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

public sealed class ScriptTests
{
    [Theory]
    [InlineData("conclave")]
    [InlineData("test")]
    public void Without_an_SDK_the_scripts_say_how_to_get_one(string script)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX shell");
        using TemporaryFolder tools = new();
        foreach (string tool in new[] { "bash", "env", "dirname", "readlink", "cat", "ls" })
        {
            string found = Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(folder => Path.Combine(folder, tool)).First(File.Exists);
            File.CreateSymbolicLink(tools.File(tool), found);
        }

        CliResult result = Cli.RunProgram(
            "bash", [Path.Combine(Repository.Root, script), "--version"],
            [("PATH", tools.Path), ("HOME", tools.Path), ("DOTNET_ROOT", tools.Path)]);
        Assert.Equal(2, result.Code);
        Assert.Equal("", result.Output);
        Assert.Contains(".NET 10 SDK", result.Error);
        Assert.Contains("brew install dotnet-sdk", result.Error);
        Assert.Contains("apt-get install dotnet-sdk-10.0", result.Error);
    }
}
