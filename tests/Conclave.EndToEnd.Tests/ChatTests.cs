using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>conclave chat at a terminal, which util-linux's script plays.</summary>
public sealed partial class ChatTests
{
    private const string Interrupt = "\u0003";
    private static readonly string[] Chat = ["chat", "--ignore-eos", "--isa", "reference", "--threads", "1", "--seed", "1"];

    [Fact]
    public void Interrupting_ends_an_answer_and_at_the_prompt_the_program()
    {
        using Terminal terminal = new();
        int prompt = Interrupted(terminal, "Tell me a story about a fox.", "</think>", ",", ",", ",");

        // The conversation has what was written of the answer: more than the second message takes alone.
        int next = Interrupted(terminal, "And then?", "<think>");
        Assert.InRange(next, prompt + 15, prompt + 300);
        terminal.WaitFor("> ");
        terminal.Type(Interrupt);
        Assert.Equal(130, terminal.ExitCode());
    }

    /// <summary>Here the template neither drops thoughts itself nor leaves the tag to the model.</summary>
    [Fact]
    public void What_the_model_thought_is_no_part_of_the_conversation()
    {
        using TemporaryFolder folder = new();
        string template = folder.Write("plain.jinja", "{% for m in messages %}{{ '<｜User｜>' if m.role == 'user' else '<｜Assistant｜>' }}{{ m.content }}{% endfor %}<｜Assistant｜><think>\n");
        string[] chat = ["chat", "--temperature", "0", "--max-tokens", "8", "--ignore-eos", "--chat-template", template];
        CliResult result = Cli.Run(chat, input: "Hi\nHi\n");
        Assert.Equal(0, result.Code);
        Assert.Equal(2, result.Output.Split("<think>\n").Length - 1);
        int[] tokens = [.. PromptTokens().Matches(result.Error).Select(match => int.Parse(match.Groups["prompt"].Value, CultureInfo.InvariantCulture))];

        // The second prompt has another message and an empty answer, less than the eight tokens of a thought.
        Assert.Equal(2, tokens.Length);
        Assert.InRange(tokens[1], tokens[0] + 1, (2 * tokens[0]) - 1);
    }

    [Fact]
    public void Interrupting_a_pipe_ends_the_program()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX signals");
        using Process process = Cli.Start("dotnet", [Cli.Program, .. Chat]);
        process.StandardInput.Write("Tell me a story about a fox.\nAnd then?\n");
        process.StandardInput.Flush();
        Assert.NotEqual(-1, process.StandardOutput.Read());
        using Process kill = Process.Start("kill", ["-INT", $"{process.Id}"]);
        CliResult result = Cli.Finish(process);
        Assert.Equal((130, 1), (result.Code, result.Error.Split("answer tokens").Length - 1));
    }

    // The tokens of the prompt of an answer that is ended when these texts have come.
    private static int Interrupted(Terminal terminal, string message, params string[] texts)
    {
        terminal.WaitFor("> ");
        terminal.Type(message + "\n");
        foreach (string text in texts)
        {
            terminal.WaitFor(text);
        }

        terminal.Type(Interrupt);
        Match tokens = PromptTokens().Match(terminal.WaitFor("tokens/s]"));
        Assert.True(tokens.Success);
        return int.Parse(tokens.Groups["prompt"].Value, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"\[(?<prompt>\d+) prompt tokens", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex PromptTokens();

    private sealed class Terminal : IDisposable
    {
        private readonly Process _process;

        public Terminal()
        {
            Assert.SkipUnless(File.Exists("/usr/bin/script"), "util-linux's script");
            _process = Cli.Start("script", ["-qefc", $"dotnet '{Cli.Program}' {string.Join(' ', Chat)}", "/dev/null"], [("NO_COLOR", "1"), ("TERM", "dumb")]);
        }

        public void Type(string text)
        {
            _process.StandardInput.Write(text);
            _process.StandardInput.Flush();
        }

        /// <summary>What comes up to and with a text.</summary>
        public string WaitFor(string text)
        {
            StringBuilder seen = new();
            while (!seen.ToString().EndsWith(text, StringComparison.Ordinal))
            {
                int next = _process.StandardOutput.Read();
                Assert.True(next >= 0, $"the program ended: {seen}");
                seen.Append((char)next);
            }

            return seen.ToString();
        }

        public int ExitCode() => Cli.Finish(_process).Code;

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                _process.Kill(entireProcessTree: true);
            }

            _process.Dispose();
        }
    }
}
