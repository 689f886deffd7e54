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
        { ["synth", "--shape", "fable", "--format", "int3", "--out", "/no/such/folder"], "--format int3: fp8, bf16 or f32 is expected" },
        { ["generate", "a", "--max-tokens", "99999999999"], "--max-tokens 99999999999: at most 2147483647 is expected" },
        { ["generate", "a", "--top-k", "1.5"], "--top-k 1.5: a whole number is expected\n" },
        { ["generate", "a", "--seed", "9223372036854775808"], "--seed 9223372036854775808: at most 9223372036854775807 is expected" },
        { ["synth", "--shape", "fable", "--seed", "-1", "--out", "/no/such/folder"], "--seed -1: at least 0 is expected" },
        { ["placement", "--loads", "x", "--move-budget", "many"], "--move-budget many: a whole number is expected" },
        { ["generate", "a", "--temperature", "hot"], "--temperature hot: a number is expected\n" },
        { ["generate", "a", "--temperature", "0,5"], "--temperature 0,5: a number is expected, with a point before its decimals, such as 0.5" },
        { ["generate", "a", "--top-p=0,9"], "--top-p 0,9: a number is expected, with a point" },
        { ["serve", "--request-timeout", "1,000"], "--request-timeout 1,000: a number is expected, with a point" },
        { ["bench", "serve", "http://127.0.0.1:1", "--rate", "0,5"], "--rate 0,5: a number is expected, with a point" },
        { ["generate", "a", "--top-p", "2"], "--top-p: 2 is out of range" },
        { ["generate", "a", "--max-tokens", "0"], "--max-tokens: 0 is out of range; at least 1 is expected" },
        { ["generate", "a", "--max-tokens", "2", "--min-tokens", "3"], "--min-tokens: 3 is more than --max-tokens, which is 2" },
        { ["perplexity", Repository.Fable, "--text", "/no/such/file"], "/no/such/file: there is no such file" },
        { ["perplexity", Repository.Fable, "--text", Repository.Fable], "fable: a folder; a file is expected" },
        { ["template", "/no/such/file.jinja", "--json-lines", "-"], "/no/such/file.jinja: there is no such file or folder; a chat template or the folder of a checkpoint is expected" },
        { ["generate", "a", "--isa", ""], "--isa: this machine has no instruction set ''" },
        { ["perplexity", Repository.Fable, "--text", Path.Combine(Repository.Fable, "evaluation.txt"), "--context", "1"], "--context 1: 2 to " },
        { ["perplexity", Repository.Fable, "--text", Path.Combine(Repository.Fable, "evaluation.txt"), "--context", "8", "--stride", "9"], "--stride 9: 1 to 8 tokens" },
        { ["bench", "kernels", "--repeat", "2147483647"], "--repeat 2147483647: 1 to 10000 are expected" },
        { ["bench", "ablation", "--hosts", "1", "--repeat", "10001"], "--repeat 10001: 1 to 10000 are expected" },
        { ["bench", "serve", "http://127.0.0.1:1", "--clients", ""], "--clients: the list is empty; numbers with commas between them are expected" },
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

    [Theory]
    [InlineData("--temprature: there is no such option; was --temperature meant?", "generate", "--temprature", "--max-tokens", "5")]
    [InlineData("--top_p=0.5: there is no such option; was --top-p meant?", "generate", "--chat", "--top_p=0.5")]
    [InlineData("--foo: there is no such option\n", "generate", "--foo", "x")]
    [InlineData("--jsn: there is no such option; was --json meant?", "tokenize", "models/fable", "--jsn")]
    [InlineData("--scn: there is no such option; was --scan meant?", "inspect", "--scn")]
    [InlineData("-x: there is no such option\n", "generate", "-x")]
    [InlineData("--prot: there is no such option; was --port meant?", "serve", "--prot", "80")]
    [InlineData("--hots: there is no such option; was --host", "launch", "--ranks", "2", "--hots", "2", "--", "generate", "a")]
    [InlineData("--temprature: there is no such option; was --temperature meant?", "launch", "--ranks", "2", "--", "generate", "a", "--temprature", "1")]
    [InlineData("--vresion: there is no such option; was --version meant?", "--vresion")]
    public void A_mistyped_option_is_no_text(string message, params string[] arguments)
    {
        CliResult result = Cli.Run(arguments);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith($"error: {message}", result.Error, StringComparison.Ordinal);
        Assert.Contains("A text that begins with dashes is given behind \"--\"\n", result.Error, StringComparison.Ordinal);
        Assert.EndsWith("--help' explains the arguments\n", result.Error, StringComparison.Ordinal);
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
    public void Line_feeds_of_a_file_begin_no_line_of_a_message()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("config.json", "{\"model_type\": {\n\"a\": 1}}");
        CliResult result = Cli.Run("inspect", folder.Path);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.Equal($"error: {file}: $.model_type: {{\\u000a\"a\": 1}}; a string is expected\n", result.Error);
    }

    [Fact]
    public void Arguments_are_taken_as_they_are()
    {
        foreach (string text in new[] { "@home", "/h", "[suggest]", "-5", "-5 degrees", "-", "- a list", "a=b", "", "--json", "-x", "--" })
        {
            string[] end = text.StartsWith("--", StringComparison.Ordinal) || text == "-x" ? ["--", text] : [text];
            CliResult result = Cli.Run([.. Tokenize, "--json", .. end]);
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
    public void Closed_output_is_called_that()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX shell");
        CliResult result = Cli.RunProgram("sh", ["-c", $"exec dotnet '{Cli.Program}' --version >&-"]);
        Assert.Equal((1, "", "error: standard output is closed: there is no place for what the command writes\n"), (result.Code, result.Output, result.Error));
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
