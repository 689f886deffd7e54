using System.Diagnostics;
using System.Text.Json;

namespace Conclave.EndToEnd.Tests;

/// <summary>Generation as a process: streams, signals, the environment.</summary>
public sealed class GenerateProcessTests
{
    [Fact]
    public void A_seed_gives_the_same_text_streamed_or_as_JSON()
    {
        string[] arguments = ["generate", "Once upon a time", "--seed", "7", "--max-tokens", "12"];
        CliResult first = Cli.Run([.. arguments, "--json"]);
        Assert.Equal((0, ""), (first.Code, first.Error));
        JsonElement json = JsonDocument.Parse(first.Output).RootElement;
        Assert.Equal(7, json.GetProperty("seed").GetInt64());
        Assert.InRange(json.GetProperty("ids").GetArrayLength(), 1, 12);
        string text = json.GetProperty("text").GetString()!;
        CliResult again = Cli.Run(arguments);
        Assert.Equal((0, text + "\n"), (again.Code, again.Output));
        CliResult other = Cli.Run("generate", "Once upon a time", "--seed", "8", "--max-tokens", "12");
        Assert.NotEqual(again.Output, other.Output);

        // The text ends before a stop string that lies within it.
        string stop = text[(text.Length / 2)..(text.Length / 2 + 3)];
        CliResult stopped = Cli.Run([.. arguments, "--stop", stop]);
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)] + "\n", stopped.Output);
    }

    [Fact]
    public void The_instruction_set_of_the_environment_is_used()
    {
        CliResult result = Cli.Run(["generate", "a"], environment: [("CONCLAVE_ISA", "abacus")]);
        Assert.Equal(2, result.Code);
        Assert.StartsWith("error: CONCLAVE_ISA: this machine has no instruction set 'abacus'; choose one of: reference", result.Error);
        Assert.Equal("reference", InstructionSet("reference"));
        Assert.Equal("reference", InstructionSet("REFERENCE"));

        // The option wins: nobody asks the variable then.
        Assert.Equal("reference", InstructionSet("abacus", "--isa", "reference"));
        Assert.Equal("reference", InstructionSet("abacus", "--isa", "Reference"));
    }

    [Fact]
    public void Interrupting_ends_an_answer_under_way()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX signals");
        using Process process = Cli.Start(
            "dotnet", [Cli.Program, "generate", "Once upon a time", "--isa", "reference", "--ignore-eos", "--max-tokens", "1000"]);
        Assert.NotEqual(-1, process.StandardOutput.Read());
        using Process kill = Process.Start("kill", ["-INT", $"{process.Id}"]);
        CliResult result = Cli.Finish(process);
        Assert.Equal((130, ""), (result.Code, result.Error));
    }

    private static string? InstructionSet(string variable, params string[] options)
    {
        CliResult result = Cli.Run(["verify", "tests/data/v2-group-f32", "--json", .. options], environment: [("CONCLAVE_ISA", variable)]);
        Assert.Equal((0, ""), (result.Code, result.Error));
        return JsonDocument.Parse(result.Output).RootElement.GetProperty("isa").GetString();
    }
}
