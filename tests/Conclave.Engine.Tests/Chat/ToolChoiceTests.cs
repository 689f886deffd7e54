using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Checkpoints;
using Conclave.Primitives;
using Conclave.Testing;
using Conclave.Text;
using Conclave.Text.Chat;
using Conclave.Text.Grammars;

namespace Conclave.Engine.Tests.Chat;

/// <summary>How many calls an answer may have, and of which tools.</summary>
public sealed class ToolChoiceTests
{
    private const int EndToken = 1;
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Repository.Fable);
    private static readonly TokenMasks Masks = new(Tokenizer, EndToken);
    private static readonly ChatTool[] Tools =
        [new("tell_time"), new("get_weather", JsonElement.Parse("""{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"""))];

    [Fact]
    public void NotSeveralCallsAreOneOrNone()
    {
        Assert.Null(GrammarOf(new ChatTools(Tools, null, ToolChoice.Auto)));
        Grammar one = GrammarOf(new ChatTools(Tools, null, ToolChoice.Auto, parallel: false))!;
        Assert.True(Accepts(one, "It is noon.") && Accepts(one, $"Let me see.{Calls(Time)}") && Accepts(one, Calls(Weather)));
        Assert.False(Accepts(one, Calls(Time + Weather)) || Accepts(one, Calls(Time + "\n" + Time)));
    }

    [Fact]
    public void WithoutToolsNothingIsToBeCounted() => Assert.Null(GrammarOf(new ChatTools([], null, ToolChoice.Auto, parallel: false)));

    [Fact]
    public void OnlyAllowedToolsAreCalledAndAllAreTold()
    {
        JsonArray definitions = [new JsonObject(), new JsonObject()];
        ChatTools auto = new(Tools, definitions, ToolChoice.Auto, ["tell_time"]);
        Assert.Same(definitions, auto.Definitions);
        Grammar grammar = GrammarOf(auto)!;
        Assert.True(Accepts(grammar, "It is noon.") && Accepts(grammar, Calls(Time)) && Accepts(grammar, Calls(Time + "\n" + Time)));
        Assert.False(Accepts(grammar, Calls(Weather)) || Accepts(grammar, Calls(Time + "\n" + Weather)));

        grammar = GrammarOf(new ChatTools(Tools, definitions, ToolChoice.Required, ["tell_time"]))!;
        Assert.True(Accepts(grammar, Calls(Time)));
        Assert.False(Accepts(grammar, Calls(Weather)) || Accepts(grammar, "It is noon."));
        Assert.Null(GrammarOf(new ChatTools(Tools, definitions, ToolChoice.Auto, ["get_weather", "tell_time"])));
    }

    [Theory]
    [InlineData(ToolChoice.Auto)]
    [InlineData(ToolChoice.Required)]
    public void AnAllowedToolThatIsNotThereIsRefused(ToolChoice choice)
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => new ChatTools(Tools, null, choice, ["tell_time", "sing"]));
        Assert.Equal("tool_choice: 'sing' is not among the tools", error.Message);
    }

    private const string Time = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>tell_time\n```json\n{}\n```<｜tool▁call▁end｜>";
    private const string Weather = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"n\":1}\n```<｜tool▁call▁end｜>";

    private static string Calls(string calls) => $"<｜tool▁calls▁begin｜>{calls}<｜tool▁calls▁end｜>";

    private static Grammar? GrammarOf(ChatTools tools) =>
        new ChatRequest(ChatPrompt.Load(TokenizerConfig.Read(Repository.Fable), Tokenizer)!, [JsonNode.Parse("""{"role":"user","content":"a"}""")], tools)
            .ToGeneration(new SamplingOptions(), null, new GrammarCache(1 << 20)).Grammar;

    private static bool Accepts(Grammar grammar, string text)
    {
        List<int> tokens = [];
        Tokenizer.Encode(text, tokens, addSpecialTokens: false);
        GrammarMatcher matcher = Masks.CreateMatcher(grammar);
        return tokens.All(matcher.TryAccept) && matcher.IsComplete;
    }
}
