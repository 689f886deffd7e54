using System.Diagnostics;
using System.Text.Json;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

public sealed class FrameTests
{
    private static readonly string[] Tokenize = ["tokenize", Repository.Fable];

    [Fact]
    public void Every_command_explains_itself_with_examples()
    {
        CliResult root = Cli.Run("--help");
        Assert.Equal((0, ""), (root.Code, root.Error));
        string[] commands = [.. root.Lines.SkipWhile(line => line != "Commands:").Skip(1).TakeWhile(line => line.StartsWith("  ", StringComparison.Ordinal))
            .Where(line => line[2] != ' ').Select(line => line.Trim().Split(' ')[0])];
        Assert.Contains("tokenize", commands);
        Assert.Contains("inspect", commands);
        foreach (string command in commands)
        {
            CliResult help = Cli.Run(command, "--help");
            Assert.Equal((0, ""), (help.Code, help.Error));
            string[] examples = [.. help.Lines.SkipWhile(line => line != "Examples:").Skip(1)];
            Assert.Contains(examples, line => line.StartsWith($"  conclave {command}", StringComparison.Ordinal));
            Assert.Contains(root.Lines, line => line.StartsWith($"  conclave {command}", StringComparison.Ordinal));
        }

        Assert.Equal(root.Output, Cli.Run().Output);
    }

    [Fact]
    public void The_version_is_one_line()
    {
        CliResult result = Cli.Run("--version");
        Assert.Equal(0, result.Code);
        Assert.Matches(@"^\d+\.\d+\.\d+\n$", result.Output);
    }

    public static TheoryData<string[], string> Mistakes => new()
    {
        { ["inspect", Repository.Fable, "--bogus"], "--bogus" },
        { ["inspet", Repository.Fable], "inspet" },
        { ["inspect"], "inspect" },
        { ["inspect", "/no/such/folder"], "/no/such/folder: there is no such folder" },
        { ["inspect", Path.Combine(Repository.Fable, "config.json")], "config.json: a file; the folder of a checkpoint is expected" },
        { ["inspect", Repository.Data("text")], "config.json" },
        { ["tokenize", Repository.Fable], "TEXT or --json-lines FILE" },
        { ["tokenize", Repository.Fable, "a", "--json-lines", "b"], "TEXT or --json-lines FILE" },
        { ["tokenize", Repository.Fable, "--json-lines", "/no/such/file"], "/no/such/file: there is no such file" },
        { ["tokenize", Repository.Data("v2-group-f32"), "a"], "tokenizer.json" },
        { ["synth", "--shape", "nothing", "--out", "/no/such/folder"], "\"nothing\" is no known shape" },
        { ["synth", "--shape", "fable", "--format", "int3", "--out", "/no/such/folder"], "int3" },
        { ["generate", "a", "--max-tokens", "99999999999"], "--max-tokens 99999999999: a whole number from -2147483648 to 2147483647 is expected" },
        { ["generate", "a", "--top-k", "1.5"], "--top-k 1.5: a whole number from -2147483648 to 2147483647 is expected" },
        { ["generate", "a", "--seed", "9223372036854775808"], "--seed 9223372036854775808: a whole number from -9223372036854775808 to 9223372036854775807 is expected" },
        { ["synth", "--shape", "fable", "--seed", "-1", "--out", "/no/such/folder"], "--seed -1: a whole number from 0 to 18446744073709551615 is expected" },
        { ["generate", "a", "--temperature", "hot"], "--temperature hot: a number is expected" },
        { ["serve", "--port", ""], "--port : a whole number" },
        { ["serve", "--served-model-name", ""], "--served-model-name: the name that clients ask for is empty" },
        { ["serve", "--served-model-name", " "], "--served-model-name: the name that clients ask for is empty" },
    };

    public static TheoryData<string, string[]> EmptyNames => new()
    {
        { "DIR", ["inspect", ""] },
        { "DIR|FILE.jinja", ["template", "", "--json-lines", "-"] },
        { "--model", ["generate", "a", "--model", ""] },
        { "--model", ["launch", "--ranks", "2", "--model", "", "--", "generate", "a"] },
        { "--model", ["launch", "--ranks", "2", "--", "generate", "a", "--model", ""] },
        { "--loads", ["placement", "--loads", ""] },
        { "--previous", ["placement", "--loads", "x", "--previous", ""] },
        { "--text", ["perplexity", Repository.Fable, "--text", ""] },
        { "--json-lines", [.. Tokenize, "--json-lines", ""] },
        { "--json-lines", ["template", Repository.Fable, "--json-lines", ""] },
        { "--golden", ["verify", Repository.Fable, "--golden", ""] },
        { "--dump", ["verify", Repository.Fable, "--dump", ""] },
        { "--out", ["synth", "--shape", "fable", "--out", ""] },
        { "--compare", ["bench", "model", Repository.Fable, "--compare", ""] },
        { "--plot", ["bench", "kernels", "--plot", ""] },
        { "--plot", ["bench", "serve", "http://127.0.0.1:1", "--plot", ""] },
        { "--trace", ["bench", "serve", "http://127.0.0.1:1", "--trace", ""] },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Mistakes_are_named_on_standard_error_and_exit_with_2(string[] arguments, string named)
    {
        CliResult result = Cli.Run(arguments);
        Assert.Equal(2, result.Code);
        Assert.StartsWith("error: ", result.Error);
        Assert.Contains(named, result.Error);
        Assert.DoesNotContain("   at ", result.Error);
        Assert.DoesNotContain("System.", result.Error);
        Assert.Equal("", result.Output);
    }

    [Theory]
    [MemberData(nameof(EmptyNames))]
    public void An_empty_name_of_a_file_is_refused_by_the_option_s_name(string name, string[] arguments)
    {
        CliResult result = Cli.Run(arguments);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith($"error: {name}: the name is empty; that of a file or a folder is expected\n", result.Error);
    }

    [Fact]
    public void A_line_that_is_no_text_is_named_by_its_number()
    {
        string[] arguments = [.. Tokenize, "--json-lines", "-"];
        CliResult notString = Cli.Run(arguments, "\"a\"\n\n{}\n");
        Assert.Equal(2, notString.Code);
        Assert.Contains("standard input, line 3", notString.Error);
        Assert.Single(notString.Lines);
        CliResult surrogate = Cli.Run(arguments, "\"\\ud800\"");
        Assert.Equal(2, surrogate.Code);
        Assert.Contains("standard input, line 1", surrogate.Error);
        using TemporaryFolder folder = new();
        string file = folder.Write("latin1.jsonl", [0x22, 0xE9, 0x22, 0x0A]);
        CliResult latin1 = Cli.Run([.. Tokenize, "--json-lines", file]);
        Assert.Equal(2, latin1.Code);
        Assert.Contains($"{file}, line 1: not valid UTF-8", latin1.Error);
    }

    [Fact]
    public void Arguments_are_taken_as_they_are()
    {
        foreach (string text in new[] { "@home", "/h", "[suggest]", "-5", "a=b", "" })
        {
            CliResult result = Cli.Run([.. Tokenize, text, "--json"]);
            Assert.Equal((0, ""), (result.Code, result.Error));
            Assert.Equal(text, JsonDocument.Parse(result.Output).RootElement.GetProperty("decoded").GetString());
        }
    }

    [Fact]
    public void Output_is_UTF8_without_escapes_in_any_locale()
    {
        CliResult result = Cli.Run([.. Tokenize, "春😀\"", "--json"], environment: [("LC_ALL", "en_US.ISO-8859-1")]);
        Assert.Contains("\"decoded\":\"春😀\\\"\"", result.Output);
        CliResult inspect = Cli.Run(["inspect", Repository.Fable], environment: [("LC_ALL", "C"), ("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]);
        Assert.Contains("128 × 128", inspect.Output);
        Assert.DoesNotContain('\u001b', inspect.Output);
    }

    [Fact]
    public void Answers_come_while_the_input_is_still_open_and_signals_end_the_command()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX signals");
        foreach ((string signal, int code) in new[] { ("-INT", 130), ("-TERM", 143) })
        {
            using Process process = Cli.Start("dotnet", [Cli.Program, .. Tokenize, "--json-lines", "-"]);
            process.StandardInput.Write("\"a\"\n");
            process.StandardInput.Flush();
            Assert.Contains("\"decoded\":\"a\"", process.StandardOutput.ReadLine());
            using Process kill = Process.Start("kill", [signal, $"{process.Id}"]);
            CliResult result = Cli.Finish(process);
            Assert.Equal((code, "", ""), (result.Code, result.Output, result.Error));
        }
    }

    [Fact]
    public void A_closed_pipe_ends_the_command_quietly()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX shell");
        using TemporaryFolder folder = new();
        string lines = folder.Write("lines.jsonl", string.Concat(Enumerable.Repeat("\"a line of text\"\n", 200_000)));
        string code = folder.File("code");
        string errors = folder.File("errors");
        string script = $"{{ dotnet '{Cli.Program}' tokenize '{Repository.Fable}' --json-lines '{lines}' 2>'{errors}'; echo $? >'{code}'; }} | head -n 1";
        CliResult result = Cli.RunProgram("sh", ["-c", script]);
        Assert.Single(result.Lines);
        Assert.Equal("0\n", File.ReadAllText(code));
        Assert.Equal("", File.ReadAllText(errors));
    }

    [Fact]
    public void Redirected_output_is_appended_to_what_others_wrote()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX shell");
        using TemporaryFolder folder = new();
        string file = folder.File("out");
        string run = $"dotnet '{Cli.Program}' --version";
        Cli.RunProgram("sh", ["-c", $"{{ echo before; {run}; {run}; echo after; }} >'{file}'"]);
        Assert.Matches(@"^before\n(\d+\.\d+\.\d+\n){2}after\n$", File.ReadAllText(file));
    }
}
