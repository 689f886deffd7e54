using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Text.Chat;
using Conclave.Text.Grammars;
using Conclave.Text.Tests.Grammars;
using Conclave.Text.Tests.Tokenization;
using CsCheck;

namespace Conclave.Text.Tests.Chat;

/// <summary>What a grammar forces a model to write is read back as valid calls.</summary>
public class ForcedCallTests
{
    private static readonly (ToolCallFormat Format, string Name)[] Formats =
        [(ToolCallFormat.DeepSeekR1, "R1"), (ToolCallFormat.DeepSeekV31, "V3.1"), (ToolCallFormat.KimiK2, "Kimi"), (ToolCallFormat.Glm, "GLM")];

    private static readonly Lazy<(Tokenizer Tokenizer, TokenMasks Masks)> Kimi = new(static () => (Tokenizers.Kimi, new TokenMasks(Tokenizers.Kimi, Tokenizers.Kimi.VocabularySize - 1)));

    [Fact]
    public void ForcedCallsAreValidAlsoAfterThinking()
    {
        int refused = 0;
        int written = 0;
        Gen.Int[0, int.MaxValue - 1].Sample(seed =>
        {
            Random random = new(seed);
            (ToolCallFormat format, string name) = Formats[random.Next(Formats.Length)];
            JsonObject[] schemas = [Parameters(random), Parameters(random)];
            using JsonDocument first = JsonDocument.Parse(schemas[0].ToJsonString());
            using JsonDocument second = JsonDocument.Parse(schemas[1].ToJsonString());
            ChatTool[] tools = [new ChatTool("first", first.RootElement), new ChatTool("second_one", second.RootElement)];
            bool thinks = random.Next(2) == 0;
            bool parallel = random.Next(2) == 0;
            (Tokenizer tokenizer, TokenMasks masks) = (Tokenizers.Fable, Vocabularies.Fable);
            Grammar grammar;
            try
            {
                grammar = format.CreateGrammar(tools, tokenizer, parallel, 7);
            }
            catch (UserErrorException e) when (format == ToolCallFormat.Glm && (e.Message.Contains("the way in which", StringComparison.Ordinal) || e.Message.Contains("the argument \"", StringComparison.Ordinal)))
            {
                // GLM cannot write every argument.
                Interlocked.Increment(ref refused);
                return;
            }

            Interlocked.Increment(ref written);
            grammar = random.Next(3) == 0 ? grammar : Reasoning.ThenAnswer(grammar, tokenizer, thinks);
            string text = Forced.Write(grammar, masks, tokenizer, random);

            ChatOutputParser parser = new(format, thinks && text.Contains("</think>", StringComparison.Ordinal), tools, 7);
            List<ChatEvent> events = [];
            parser.Append(text, events);
            parser.Finish(events);
            Assert.True(parser.ToolCalls is 1 || (parallel && parser.ToolCalls > 1), text);
            Assert.All(events, e => Assert.True(e.Kind != ChatEventKind.Content, $"{name} {text}"));
            for (int i = 0; i < parser.ToolCalls; i++)
            {
                ChatEvent call = events.Single(e => e.Kind == ChatEventKind.ToolCall && e.Index == i);
                string arguments = string.Concat(events.Where(e => e.Kind == ChatEventKind.Arguments && e.Index == i).Select(static e => e.Text));
                int tool = Array.FindIndex(tools, t => t.Name == call.Text);
                string errors = Judge.ErrorsOf(arguments, schemas[tool]);
                Assert.True(errors.Length == 0, $"{name}\n{text}\n{arguments}\nis not valid under\n{schemas[tool]}\n{errors}");
            }
        },
        iter: 120);
        Assert.True(written > 4 * refused, $"{refused} of {written + refused} are refused");
    }

    /// <summary>Every name that a tool may have is read back in every format; others make no tool.</summary>
    [Theory]
    [InlineData("get.weather")]
    [InlineData("functions.x")]
    [InlineData("server:tool:1")]
    [InlineData("a/b-c_d$e@f")]
    [InlineData("überführen9")]
    [InlineData("long")]
    public void NamesAreReadBack(string name)
    {
        name = name == "long" ? new string('x', 256) : name;
        ChatTool[] tools = [new ChatTool(name)];
        foreach ((ToolCallFormat format, string formatName) in Formats)
        {
            string text = Forced.Write(format.CreateGrammar(tools, Tokenizers.Fable, parallel: false), Vocabularies.Fable, Tokenizers.Fable, new Random(1));
            ChatOutputParser parser = new(format, false, tools);
            List<ChatEvent> events = [];
            parser.Append(text, events);
            parser.Finish(events);
            Assert.True(events.Any(e => e.Kind == ChatEventKind.ToolCall && e.Text == name), $"{formatName}: {text}");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("get weather")]
    [InlineData("a\nb")]
    [InlineData("a\"b")]
    [InlineData("<arg_key>")]
    [InlineData("long")]
    public void NamesThatNoFormatReadsBackMakeNoTool(string name) =>
        Assert.StartsWith("tools: '", Assert.Throws<UserErrorException>(() => new ChatTool(name == "long" ? new string('x', 257) : name)).Message, StringComparison.Ordinal);

    [Fact]
    public void AnAnswerAfterThinkingIsValid() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            JsonObject schema = new RandomSchemas(random).Schema();
            bool inside = random.Next(2) == 0;
            (Tokenizer tokenizer, TokenMasks masks) = random.Next(2) == 0 ? (Tokenizers.Fable, Vocabularies.Fable) : Kimi.Value;
            Grammar grammar = Reasoning.ThenAnswer(Vocabularies.FromSchema(schema.ToJsonString()), tokenizer, inside);
            string text = Forced.Write(grammar, masks, tokenizer, random);
            ChatOutputParser parser = new(null, inside);
            List<ChatEvent> events = [];
            parser.Append(text, events);
            parser.Finish(events);
            string answer = string.Concat(events.Where(static e => e.Kind == ChatEventKind.Content).Select(static e => e.Text));
            string errors = Judge.ErrorsOf(answer, schema);
            Assert.True(errors.Length == 0, $"{text}\n{schema}\n{errors}");
        },
        iter: 80);

    [Theory]
    [InlineData("""{"type":"array"}""")]
    [InlineData("""{"type":"object","allOf":[]}""")]
    [InlineData("""{"type":["object","null"]}""")]
    [InlineData("7")]
    public void WhatIsWrongWithASchemaNamesTheTool(string schema)
    {
        using JsonDocument document = JsonDocument.Parse(schema);
        foreach ((ToolCallFormat format, _) in Formats)
        {
            UserErrorException e = Assert.Throws<UserErrorException>(() => format.CreateGrammar([new ChatTool("look", document.RootElement)], Tokenizers.Fable, true));
            Assert.StartsWith("the tool look: ", e.Message, StringComparison.Ordinal);
            Assert.Throws<UserErrorException>(() => format.CreateGrammar([], Tokenizers.Fable, true));
        }
    }

    [Theory]
    [InlineData("""{"type":"string"}""", "5", true)]
    [InlineData("""{"type":"string"}""", "a</arg_value>b", false)]
    [InlineData("""{"type":["string","integer"]}""", "5", true)]
    [InlineData("""{"type":["string","integer"]}""", "5x", false)]
    [InlineData("""{"type":["string","integer"]}""", "word", true)]
    [InlineData("""{"type":["string","null"]}""", "5x", true)]
    [InlineData("""{"enum":["a b",3]}""", "a b", true)]
    [InlineData("""{"enum":["a b",3]}""", "\"a b\"", false)]
    [InlineData("""{"anyOf":[{"type":"string","pattern":"^x+$"},{"type":"null"}]}""", "xx", true)]
    [InlineData("""{"$ref":"#/$defs/s"}""", "2024-02-30", false)]
    [InlineData("""{"$ref":"#/$defs/s"}""", "2024-02-29", true)]
    [InlineData("""{"type":"array","items":{"type":"string"}}""", "[\"x\"]", true)]
    public void GlmsValuesAreRawOrJson(string schema, string value, bool allowed)
    {
        using JsonDocument document = JsonDocument.Parse($$"""{"type":"object","properties":{"k":{{schema}} },"required":["k"],"$defs":{"s":{"type":"string","format":"date"} } }""");
        Grammar grammar = ToolCallFormat.Glm.CreateGrammar([new ChatTool("f", document.RootElement)], Tokenizers.Fable, false);
        Assert.Equal(allowed, Forced.Allows(grammar, $"<tool_call>f\n<arg_key>k</arg_key>\n<arg_value>{value}</arg_value>\n</tool_call>"));
    }

    [Theory]
    [InlineData("""{"type":["string","integer"],"enum":["5",5]}""")]
    [InlineData("""{"type":["string","integer"],"pattern":"5"}""")]
    [InlineData("""{"enum":["</arg_value>"]}""")]
    [InlineData("""{"type":"string","pattern":"^</arg_value>$"}""")]
    [InlineData("""{"$ref":"#/properties/k"}""")]
    public void WhatGlmCannotTellApartIsRefused(string schema)
    {
        using JsonDocument document = JsonDocument.Parse($$"""{"type":"object","properties":{"k":{{schema}}} }""");
        Assert.Throws<UserErrorException>(() => ToolCallFormat.Glm.CreateGrammar([new ChatTool("f", document.RootElement)], Tokenizers.Fable, false));
    }

    [Fact]
    public void TextWithoutAnother() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            string unwanted = Random(random, random.Next(1, 5));
            string text = Random(random, random.Next(12));
            Assert.Equal(!text.Contains(unwanted, StringComparison.Ordinal), Grammar.TextWithout(unwanted).Matches(text));
        },
        iter: 3000);

    private static string Random(Random random, int length) => string.Concat(Enumerable.Range(0, length).Select(_ => "aab<é日😀"[..5][random.Next(5)]));

    // A schema of an object, with the definitions that it refers to.
    private static JsonObject Parameters(Random random)
    {
        while (true)
        {
            JsonObject schema = new RandomSchemas(random).Schema();
            if (schema["type"] is JsonValue type && type.ToString() == "object")
            {
                return schema;
            }
        }
    }
}
