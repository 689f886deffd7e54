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
            grammar = random.Next(3) == 0 ? grammar : Reasoning.Think.ThenAnswer(grammar, tokenizer, thinks ? ReasoningPosition.Inside : ReasoningPosition.Before);
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

    /// <summary>Text stays text, and where a call begins it is one of the tools, with arguments that its schema allows.</summary>
    [Fact]
    public void CallsBehindAnyTextAreValid()
    {
        int called = 0;
        int silent = 0;
        Gen.Int[0, int.MaxValue - 1].Sample(
            seed =>
            {
                Random random = new(seed);
                (ToolCallFormat format, string name) = Formats[random.Next(Formats.Length)];
                JsonObject schema = (JsonObject)JsonNode.Parse("""{"type":"object","properties":{"city":{"type":"string","pattern":"^[ab]{1,9}$"},"days":{"type":"integer","minimum":1,"maximum":7}},"required":["city","days"],"additionalProperties":false}""")!;
                using JsonDocument document = JsonDocument.Parse(schema.ToJsonString());
                ChatTool[] tools = [new ChatTool("look", document.RootElement, Strict: true)];
                (Tokenizer tokenizer, TokenMasks masks) = (Tokenizers.Fable, Vocabularies.Fable);
                Grammar grammar = format.CreateAutoGrammar(tools, tokenizer, parallel: random.Next(2) == 0, 7);
                bool inside = random.Next(2) == 0;
                grammar = random.Next(2) == 0 ? Reasoning.Think.ThenAnswer(grammar, tokenizer, inside ? ReasoningPosition.Inside : ReasoningPosition.Before) : grammar;
                string text = Forced.Write(grammar, masks, tokenizer, random);
                ChatOutputParser parser = new(format, inside && text.Contains("</think>", StringComparison.Ordinal), tools, 7);
                List<ChatEvent> events = [];
                parser.Append(text, events);
                parser.Finish(events);
                _ = parser.ToolCalls > 0 ? Interlocked.Increment(ref called) : Interlocked.Increment(ref silent);
                for (int i = 0; i < parser.ToolCalls; i++)
                {
                    Assert.Equal("look", events.Single(e => e.Kind == ChatEventKind.ToolCall && e.Index == i).Text);
                    string arguments = string.Concat(events.Where(e => e.Kind == ChatEventKind.Arguments && e.Index == i).Select(static e => e.Text));
                    string errors = Judge.ErrorsOf(arguments, schema);
                    Assert.True(errors.Length == 0, $"{name}\n{text}\n{arguments}\n{errors}");
                }
            },
            iter: 200);
        Assert.True(called > 3 && silent > 3, $"{called} with calls, {silent} without");
    }

    public static TheoryData<string, string, bool> Automatic { get; } = new()
    {
        { "R1", "It is {\"warm\"} <there>.\n日", true },
        { "R1", "", true },
        { "R1", "Let me see.\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n```json\n{\"k\":1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", true },
        { "R1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n```json\n{\"k\":\"1\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", false },
        { "R1", "Text <｜tool▁calls▁begin｜>", false },
        { "R1", "Text <｜tool▁call▁begin｜>look", false },
        { "V3.1", "Let me see.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look<｜tool▁sep｜>{\"k\":1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", true },
        { "V3.1", "Let me see.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", false },
        { "V3.1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look<｜tool▁sep｜>{\"k\":1}<｜tool▁call▁end｜><｜tool▁calls▁end｜> More.", false },
        { "Kimi", "One <|tool_call <|tool_calls_section_begin|><|tool_call_begin|>functions.look:7<|tool_call_argument_begin|>{\"k\":1}<|tool_call_end|><|tool_calls_section_end|>", true },
        { "Kimi", "<|tool_calls_section_begin|><|tool_call_begin|>functions.look:7<|tool_call_argument_begin|>{\"k\":null}<|tool_call_end|><|tool_calls_section_end|>", false },
        { "Kimi", "<|tool_call_begin|>functions.look:7<|tool_call_argument_begin|>{}", false },
        { "GLM", "a < b <tool_cal", true },
        { "GLM", "a <<tool_call>look\n<arg_key>k</arg_key>\n<arg_value>1</arg_value>\n</tool_call>", true },
        { "GLM", "a <<tool_call>look\n<arg_key>k</arg_key>\n<arg_value>one</arg_value>\n</tool_call>", false },
        { "GLM", "a <tool_call>", false },
    };

    [Theory]
    [MemberData(nameof(Automatic))]
    public void NoCallGetsPastItsSchema(string format, string text, bool allowed)
    {
        using JsonDocument document = JsonDocument.Parse("""{"type":"object","properties":{"k":{"type":"integer"}},"required":["k"]}""");
        ToolCallFormat written = Formats.Single(one => one.Name == format).Format;
        Grammar grammar = written.CreateAutoGrammar([new ChatTool("look", document.RootElement, Strict: true)], Tokenizers.Fable, parallel: true, 7);
        Assert.Equal(allowed, Forced.Allows(grammar, text));
    }

    [Fact]
    public void AModelMayBreakTheLineBeforeItThinks()
    {
        Grammar grammar = Reasoning.Think.ThenAnswer(Grammar.Literal("yes"), Tokenizers.Fable, ReasoningPosition.Before);
        Assert.All((string[])["yes", "<think>hm</think>yes", "\n<think>hm</think>\n\nyes"], text => Assert.True(Forced.Allows(grammar, text), text));
        Assert.False(Forced.Allows(grammar, "\nyes"));
    }

    /// <summary>Thinking was switched off: a mask that leaves no prose must not bring it back.</summary>
    [Fact]
    public void BehindReasoningThereIsOnlyTheAnswer()
    {
        Grammar grammar = Reasoning.Think.ThenAnswer(Grammar.Literal("yes"), Tokenizers.Fable, ReasoningPosition.Behind);
        Assert.All((string[])["yes", "\nyes", "\n\nyes"], text => Assert.True(Forced.Allows(grammar, text), text));
        Assert.All((string[])["<think>hm</think>yes", "\n<think></think>yes", "hm</think>yes"], text => Assert.False(Forced.Allows(grammar, text), text));
    }

    [Fact]
    public void KimiVLThinksBetweenOtherTags()
    {
        Grammar grammar = Reasoning.KimiVL.ThenAnswer(Grammar.Literal("yes"), Tokenizers.Fable, ReasoningPosition.Before, ToolCallFormat.KimiK2);
        Assert.All((string[])["yes", "◁think▷hm < ◁ ▷◁/think▷\n\nyes"], text => Assert.True(Forced.Allows(grammar, text), text));
        Assert.All((string[])["<think>hm</think>yes", "◁think▷<|tool_calls_section_begin|>◁/think▷yes"], text => Assert.False(Forced.Allows(grammar, text), text));
    }

    /// <summary>What the parser takes for a call has to be one that the grammar has checked.</summary>
    [Fact]
    public void NoCallStandsInReasoningThatItWouldEnd()
    {
        Grammar yes = Grammar.Literal("yes");
        Grammar glm = Reasoning.Think.ThenAnswer(yes, Tokenizers.Fable, ReasoningPosition.Inside, ToolCallFormat.Glm);
        Assert.False(Forced.Allows(glm, "<tool_call>f</tool_call></think>yes"));
        Assert.True(Forced.Allows(glm, "a tool_call</think>yes"));
        Assert.True(Forced.Allows(Reasoning.Think.ThenAnswer(yes, Tokenizers.Fable, ReasoningPosition.Inside, ToolCallFormat.DeepSeekR1), "<tool_call>f</tool_call></think>yes"));
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
            Grammar grammar = Reasoning.Think.ThenAnswer(Vocabularies.FromSchema(schema.ToJsonString()), tokenizer, inside ? ReasoningPosition.Inside : ReasoningPosition.Before);
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
            string other = Random(random, random.Next(1, 5));
            Assert.Equal(!text.Contains(unwanted, StringComparison.Ordinal), Grammar.TextWithout(unwanted).Matches(text));
            Assert.Equal(
                !text.Contains(unwanted, StringComparison.Ordinal) && !text.Contains(other, StringComparison.Ordinal), Grammar.TextWithout(unwanted, other).Matches(text));
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
