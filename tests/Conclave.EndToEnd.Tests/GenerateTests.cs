using System.Text.Json;
using Conclave.Checkpoints;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>The bundled model, from a prompt to text.</summary>
public sealed class GenerateTests
{
    private const string Fox = "Tell me a story about a fox.";

    [Fact]
    public void TheBundledModelTellsAStory()
    {
        // transformers' greedy continuation of this prompt is in the model's golden outputs.
        int[] expected = Golden("prompts.0.greedy_ids");
        JsonElement answer = Json("--chat", "Tell me a story about a fox and a wolf.", "--temperature", "0", "--max-tokens", $"{expected.Length}");
        Assert.Equal(Golden("prompts.0.input_ids"), Ids(answer, "prompt_ids"));
        Assert.Equal(expected, Ids(answer, "ids"));
        string text = answer.GetProperty("text").GetString()!;
        Assert.StartsWith("<think>\nA tale with a fox", text, StringComparison.Ordinal);
        Assert.Contains("</think>\n\nOnce upon a time there lived a man who had three sons.", text, StringComparison.Ordinal);
    }

    [Fact]
    public void TheBundledModelWritesAPoem()
    {
        JsonElement answer = Json("--chat", "写一首题为《春夜》的诗。", "--seed", "1");
        string text = answer.GetProperty("text").GetString()!;
        Assert.Contains("题为《春夜》", text, StringComparison.Ordinal);
        string poem = text[(text.IndexOf("</think>", StringComparison.Ordinal) + 8)..];
        Assert.True(poem.Count(c => c is >= '\u4e00' and <= '\u9fff') >= 20, text);
        Assert.DoesNotContain('\uFFFD', text);
        Assert.Equal("stop", answer.GetProperty("finish_reason").GetString());
    }

    [Fact]
    public void ASeedGivesTheSameTextOnAnyNumberOfThreadsAndInStepsOfAnySize()
    {
        string[] arguments = ["--chat", Fox, "--seed", "42", "--max-tokens", "40"];
        string one = Json([.. arguments, "--threads", "1"]).GetProperty("text").GetString()!;
        string three = Json([.. arguments, "--threads", "3"]).GetProperty("text").GetString()!;
        Assert.Equal(one, three);
        Assert.Equal(one, Json([.. arguments, "--max-batched-tokens", "7"]).GetProperty("text").GetString());
        Assert.NotEqual(one, Json("--chat", Fox, "--seed", "43", "--max-tokens", "40").GetProperty("text").GetString());
    }

    [Fact]
    public void WithoutASeedTheOneThatWasUsedIsReported()
    {
        JsonElement first = Json("--chat", Fox, "--max-tokens", "20");
        string seed = first.GetProperty("seed").GetInt64().ToString();
        JsonElement again = Json("--chat", Fox, "--max-tokens", "20", "--seed", seed);
        Assert.Equal(first.GetProperty("text").GetString(), again.GetProperty("text").GetString());
    }

    [Fact]
    public void IdsAreTheWholePrompt()
    {
        JsonElement fromText = Json("Once upon a time", "--max-tokens", "8", "--temperature", "0");
        string ids = string.Join(',', Ids(fromText, "prompt_ids"));
        JsonElement fromIds = Json("--ids", ids, "--max-tokens", "8", "--temperature", "0");
        Assert.Equal(fromText.GetProperty("text").GetString(), fromIds.GetProperty("text").GetString());
        Assert.Equal(8, fromIds.GetProperty("ids").GetArrayLength());
        Assert.Equal("length", fromIds.GetProperty("finish_reason").GetString());
    }

    [Fact]
    public void AStopStringEndsTheTextBeforeIt()
    {
        string text = Json("--chat", Fox, "--temperature", "0", "--stop", "</think>").GetProperty("text").GetString()!;
        Assert.StartsWith("<think>\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("</think>", text, StringComparison.Ordinal);
    }

    [Fact]
    public void ChatAnswersFromAPipe()
    {
        CliResult result = Cli.Run(["chat", "--seed", "1", "--max-tokens", "12"], input: "Tell me a story about a fox.\n/reset\nTell me a fairy tale about a princess and a giant.\n");
        Assert.Equal(0, result.Code);
        Assert.Equal(2, result.Output.Split("<think>").Length - 1);
        Assert.Equal(2, result.Error.Split("answer tokens").Length - 1);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--chat")]
    public void ADashReadsThePromptFromStandardInput(string chat)
    {
        string[] options = [.. chat.Length > 0 ? (string[])[chat] : [], "--max-tokens", "1"];
        JsonElement given = Json(["写一首\n", .. options]);
        CliResult result = Cli.Run(["generate", "-", .. options, "--json"], input: "\uFEFF写一首\n");
        Assert.Equal((0, ""), (result.Code, result.Error));
        using JsonDocument read = JsonDocument.Parse(result.Output);
        Assert.Equal(Ids(given, "prompt_ids"), Ids(read.RootElement, "prompt_ids"));
    }

    [Theory]
    [InlineData("printf 'a\\377b' | dotnet conclave generate -", "not valid UTF-8 at byte 1")]
    [InlineData("exec dotnet conclave generate - </dev/null", "it is empty; a text is expected")]
    [InlineData("exec dotnet conclave generate - </", "cannot be read")]
    [InlineData("exec dotnet conclave chat </", "cannot be read")]
    [InlineData("head -c 16777217 /dev/zero | dotnet conclave generate -", "more than 16777216 bytes")]
    public void StandardInputThatIsNoTextIsAPersonsMistake(string command, string message)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX shell");
        CliResult result = Cli.RunProgram("sh", ["-c", command.Replace("conclave", $"'{Cli.Program}'", StringComparison.Ordinal)]);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith($"error: standard input: {message}", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--raw and --chat exclude", "x", "--raw", "--chat")]
    [InlineData("either PROMPT or --ids", "x", "--ids", "1")]
    [InlineData("--ids 1,two: \"two\" is no number from 0 on", "--ids", "1,two")]
    [InlineData("token id 8192 is outside the vocabulary of 8192", "--ids", "8192")]
    [InlineData("from 0 to 100", "x", "--temperature", "-1")]
    [InlineData("1 to 1024", "x", "--context", "2000")]
    [InlineData("--max-batched-tokens 0: 1 to 16384", "x", "--max-batched-tokens", "0")]
    [InlineData("no instruction set 'sse9'", "x", "--isa", "sse9")]
    public void MistakesAreNamed(string message, params string[] arguments)
    {
        CliResult result = Cli.Run(["generate", .. arguments]);
        Assert.Equal(2, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Fact]
    public void APromptLongerThanTheContextNamesBothNumbers()
    {
        CliResult result = Cli.Run("generate", string.Concat(Enumerable.Repeat("fox ", 200)), "--context", "64");
        Assert.Equal(2, result.Code);
        Assert.Matches("the prompt has [0-9]{3} tokens, the context holds 64", result.Error);
    }

    [Fact]
    public void PerplexityIsThatOfTheModelCard()
    {
        CliResult result = Cli.Run("perplexity", "models/fable", "--text", "models/fable/evaluation.txt", "--context", "512", "--json");
        Assert.Equal(0, result.Code);
        using JsonDocument measured = JsonDocument.Parse(result.Output);
        Assert.Equal(55_919, measured.RootElement.GetProperty("tokens").GetInt32());
        Assert.Equal(55_699, measured.RootElement.GetProperty("scored").GetInt32());
        Assert.Equal(26.6139, measured.RootElement.GetProperty("perplexity").GetDouble(), 26.6139 * 0.001);
    }

    private static unsafe int[] Golden(string name)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Repository.Fable, "golden.safetensors"));
        StoredTensor ids = file.Get(name);
        return [.. Enumerable.Range(0, (int)ids.Shape[0]).Select(i => (int)((long*)ids.Data)[i])];
    }

    private static int[] Ids(JsonElement answer, string name) => [.. answer.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];

    private static JsonElement Json(params string[] arguments)
    {
        CliResult result = Cli.Run(["generate", .. arguments, "--json"]);
        Assert.True(result.Code == 0, result.Error);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        return document.RootElement.Clone();
    }
}
