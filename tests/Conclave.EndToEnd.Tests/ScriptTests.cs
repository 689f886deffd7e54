using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

public sealed class ScriptTests
{
    // Notes what it is asked for; publishes a program that says what it got.
    private const string StandInForDotnet = """
        #!/usr/bin/env bash
        case $1 in
          --version) echo 10.0.100 ;;
          publish)
            echo "$@" >>"$LOG"
            if [ -n "${BROKEN:-}" ]; then echo "error CS1002: ; expected"; exit 1; fi
            while [ "$1" != -o ]; do shift; done
            mkdir -p "$2" && touch "$2/conclave.dll"
            ;;
          *)
            [ -f "$1" ] || exit 99
            { : 3<&0; } 2>/dev/null || exit 98
            shift
            printf '<%s>' "$@"
            exit 7
            ;;
        esac
        """;

    [Fact]
    public void The_script_builds_when_a_source_is_newer_and_passes_arguments_and_exit_code()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX shell");
        using TemporaryFolder folder = new();
        string checkout = Checkout(folder);
        CliResult first = Run(folder, "generate", "two words", "");
        Assert.Equal((7, "<generate><two words><>", "building Conclave …\n"), (first.Code, first.Output, first.Error));
        CliResult second = Run(folder, "--json");
        Assert.Equal((7, "<--json>", ""), (second.Code, second.Output, second.Error));
        Assert.Single(File.ReadAllLines(folder.File("log")));

        string source = Path.Combine(checkout, "src", "Conclave.Text", "Tokenizer.cs");
        File.SetLastWriteTimeUtc(source, DateTime.UtcNow.AddSeconds(1));
        Assert.Equal("building Conclave …\n", Run(folder).Error);
        Assert.Equal(2, File.ReadAllLines(folder.File("log")).Length);
    }

    [Fact]
    public void Closed_input_is_empty_input()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX shell");
        using TemporaryFolder folder = new();
        Checkout(folder);
        Assert.Equal(7, Cli.RunProgram("sh", ["-c", $"exec '{folder.File("conclave")}' chat <&-"], StandIns(folder)).Code);
    }

    [Fact]
    public void A_build_that_fails_is_shown_and_the_next_start_builds_again()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX shell");
        using TemporaryFolder folder = new();
        Checkout(folder);
        CliResult broken = Cli.RunProgram(folder.File("conclave"), ["chat"], [.. StandIns(folder), ("BROKEN", "1")]);
        Assert.Equal((1, ""), (broken.Code, broken.Output));
        Assert.Contains("error CS1002: ; expected\nerror: Conclave could not be built", broken.Error);
        Assert.Equal(7, Run(folder, "chat").Code);
    }

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

    // The script where it believes to be in a checkout, with a source and without an SDK.
    private static string Checkout(TemporaryFolder folder)
    {
        foreach (string file in new[] { "conclave", "scripts/sdk.sh", "Directory.Build.props", "Directory.Packages.props", "global.json" })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder.File(file))!);
            File.Copy(Path.Combine(Repository.Root, file), folder.File(file));
        }

        foreach (string project in new[] { "Conclave.Cli", "Conclave.Text" })
        {
            Directory.CreateDirectory(folder.File($"src/{project}"));
        }

        folder.Write("src/Conclave.Text/Tokenizer.cs", "");
        Directory.CreateDirectory(folder.File("tools"));
        string standIn = folder.Write("tools/dotnet", StandInForDotnet);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(standIn, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        return folder.Path;
    }

    private static CliResult Run(TemporaryFolder folder, params string[] arguments) => Cli.RunProgram(folder.File("conclave"), arguments, StandIns(folder));

    private static (string Name, string Value)[] StandIns(TemporaryFolder folder) =>
        [("PATH", $"{folder.File("tools")}:{Environment.GetEnvironmentVariable("PATH")}"), ("LOG", folder.File("log"))];
}
