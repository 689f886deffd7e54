using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Checkpoints;
using Conclave.Primitives;
using Conclave.Testing;
using Conclave.Text;
using Conclave.Text.Chat;
using Conclave.Text.Grammars;

namespace Conclave.Engine.Tests.Chat;

/// <summary>What answers to requests with tools may be.</summary>
public sealed class ChatRequestTests
{
    private const int EndToken = 1;
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Repository.Fable);
    private static readonly TokenMasks Masks = new(Tokenizer, EndToken);

    /// <summary>Each by itself is small enough for a grammar, all together are not. Whoever did not promise anything gives in.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData("""{"type":"object","properties":{"x":{"type":"integer"}}}""")]
    public void ManyLaxToolsLeaveRoomForTheStrictOne(string? answer)
    {
        const string Long = """{"type":"object","properties":{"text":{"type":"string","maxLength":90000}},"required":["text"]}""";
        ChatTool strict = new("save", JsonElement.Parse("""{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"""), Strict: true);
        Grammar few = GrammarOf([strict, new ChatTool("lax0", JsonElement.Parse(Long))], answer);
        Assert.True(Accepts(few, Call("save", "{\"n\":1}")) && Accepts(few, Call("lax0", "{\"text\":\"a\"}")));
        Assert.False(Accepts(few, Call("lax0", "{\"n\":1}")));

        Grammar many = GrammarOf([strict, .. Enumerable.Range(0, 4).Select(i => new ChatTool($"lax{i}", JsonElement.Parse(Long)))], answer);
        Assert.True(Accepts(many, Call("save", "{\"n\":1}")) && Accepts(many, Call("lax3", "{\"text\":\"a\"}")) && Accepts(many, Call("lax3", "{\"n\":1}")));
        Assert.False(Accepts(many, Call("save", "{\"text\":\"a\"}")));
    }

    [Fact]
    public void ManyStrictToolsAreRefused()
    {
        const string Long = """{"type":"object","properties":{"text":{"type":"string","maxLength":90000}},"required":["text"]}""";
        UserErrorException error = Assert.Throws<UserErrorException>(
            () => GrammarOf([.. Enumerable.Range(0, 4).Select(i => new ChatTool($"strict{i}", JsonElement.Parse(Long), Strict: true))], null));
        Assert.Contains("tools: ", error.Message, StringComparison.Ordinal);
    }

    /// <summary>That a call is forced does not make its schema a promise.</summary>
    [Fact]
    public void AForcedCallOfALaxToolWhoseSchemaCannotBeUsedTakesAnyObject()
    {
        JsonElement unsupported = JsonElement.Parse("""{"type":"object","minProperties":1}""");
        ChatTool strict = new("save", JsonElement.Parse("""{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"""), Strict: true);
        Grammar grammar = GrammarOf([strict, new ChatTool("lax", unsupported)], null, ToolChoice.Required);
        Assert.True(Accepts(grammar, Call("lax", "{\"a\":[1]}")) && Accepts(grammar, Call("save", "{\"n\":1}")));
        Assert.False(Accepts(grammar, Call("lax", "[1]")) || Accepts(grammar, Call("save", "{\"a\":[1]}")) || Accepts(grammar, "a"));
        UserErrorException error = Assert.Throws<UserErrorException>(() => GrammarOf([new ChatTool("save", unsupported, Strict: true)], null, ToolChoice.Required));
        Assert.StartsWith("tools: the tool save: the JSON schema: $.minProperties", error.Message, StringComparison.Ordinal);
    }

    private static Grammar GrammarOf(ChatTool[] tools, string? answer, ToolChoice choice = ToolChoice.Auto)
    {
        ChatRequest request = new(
            ChatPrompt.Load(TokenizerConfig.Read(Repository.Fable), Tokenizer)!, [JsonNode.Parse("""{"role":"user","content":"a"}""")], new ChatTools(tools, null, choice));
        return request.ToGeneration(new SamplingOptions(), answer, new GrammarCache(1 << 20)).Grammar!;
    }

    private static string Call(string name, string arguments) =>
        $"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

    private static bool Accepts(Grammar grammar, string text)
    {
        List<int> tokens = [];
        Tokenizer.Encode(text, tokens, addSpecialTokens: false);
        GrammarMatcher matcher = Masks.CreateMatcher(grammar);
        return tokens.All(matcher.TryAccept) && matcher.IsComplete;
    }
}
