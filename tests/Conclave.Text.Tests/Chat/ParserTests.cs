using System.Text.Json;
using Conclave.Text.Chat;
using CsCheck;

namespace Conclave.Text.Tests.Chat;

/// <summary>Reasoning, content and tool calls out of what models write.</summary>
public class ParserTests
{
    private const string Tool = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>";

    private static readonly JsonDocument Schema = JsonDocument.Parse("""
        {"type":"object","properties":{"text":{"type":"string"},"count":{"type":"integer"},"maybe":{"type":["string","null"]},"on":{"type":"boolean"},
         "list":{"$ref":"#/$defs/list"},"any":{}},"$defs":{"list":{"type":"array","items":{"type":"string"}}}}
        """);

    private static readonly ChatTool[] Typed = [new ChatTool("f", Schema.RootElement)];

    private static readonly string[] Pieces =
    [
        "<think>", "</think>", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>", "function", "get_weather",
        "\n```json\n", "\n```", "```", "{\"a\": \"b\"}", "{\"a\": \"", "\"}", "\\\"", "{}", " ", "\n", "\n\n", "text", "😀", "<", "<｜", "<|",
        "<|tool_calls_section_begin|>", "<|tool_call_section_begin|>", "<|tool_call_section_end|>", "<|tool_call_begin|>", "functions.get_weather:0", "<|tool_call_argument_begin|>", "<|tool_call_end|>", "<|tool_calls_section_end|>",
        "<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "f", "count", "maybe", "list", "any", "17", "null", "[\"x\"]",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"a\": \"", "<tool_call>f\n<arg_key>text</arg_key>\n<arg_value>", "<tool_call>f<arg_key>count</arg_key><arg_value>",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:3<|tool_call_argument_begin|>", "<｜tool▁call▁begin｜>get_time<｜tool▁sep｜>", new string(' ', 300), new string('x', 300),
    ];

    private static readonly ToolCallFormat?[] Formats = [null, ToolCallFormat.DeepSeekR1, ToolCallFormat.DeepSeekV31, ToolCallFormat.KimiK2, ToolCallFormat.Glm];

    [Theory]
    [InlineData("answer", false, "C:answer")]
    [InlineData("<think>\nhm\n</think>\n\nanswer\n", false, "R:hm|C:answer\n")]
    [InlineData("hm\n</think>\n\nanswer", true, "R:hm|C:answer")]
    [InlineData("<think>\nhm</think>answer", true, "R:hm|C:answer")]
    [InlineData("hm, never closed ", true, "R:hm, never closed ")]
    [InlineData("hm </thin", true, "R:hm </thin")]
    [InlineData("</think>answer", true, "C:answer")]
    [InlineData("\n\n</think>\n\n", true, "")]
    [InlineData("  answer", false, "C:  answer")]
    [InlineData("1 < 2 <think> no </think>", false, "C:1 < 2 <think> no </think>")]
    [InlineData("a</think>b</think>c", true, "R:a|C:b</think>c")]
    [InlineData("a <think> b </thinking> </think> c", true, "R:a <think> b </thinking>|C:c")]
    [InlineData("<thin", false, "C:<thin")]
    public void ReasoningIsWhatStandsBeforeItsTag(string text, bool inside, string expected) => AssertParsed(expected, text, null, inside, null);

    [Theory]
    [InlineData("◁think▷\nhm < ◁ </think>\n◁/think▷\n\nanswer", "R:hm < ◁ </think>|C:answer")]
    [InlineData("◁think▷hm <|tool_call_section_begin|><|tool_call_begin|>functions.get_weather:5<|tool_call_argument_begin|>{}<|tool_call_end|>", "R:hm|T0:get_weather#functions.get_weather:5|A0:{}")]
    [InlineData("◁think▷hm ◁/thin", "R:hm ◁/thin")]
    [InlineData("<think>hm</think>answer", "C:<think>hm</think>answer")]
    public void KimiVLThinksBetweenOtherTags(string text, string expected)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            Assert.Equal(expected, Outputs.Parse(text, ToolCallFormat.KimiK2, false, Outputs.Weather, new Random(seed), 5, Reasoning.KimiVL));
        }
    }

    [Theory]
    [InlineData("<｜User｜>hi<｜Assistant｜><think>\n", ReasoningPosition.Inside)]
    [InlineData("<｜User｜>hi<｜Assistant｜><think>", ReasoningPosition.Inside)]
    [InlineData("<|assistant|>\n<think></think>\n", ReasoningPosition.Behind)]
    [InlineData("<｜User｜>hi<｜Assistant｜></think>", ReasoningPosition.Behind)]
    [InlineData("<｜User｜>what is <think>?<｜Assistant｜>", ReasoningPosition.Before)]
    [InlineData("<think>a</think>b<｜User｜>c<｜Assistant｜>", ReasoningPosition.Before)]
    [InlineData("", ReasoningPosition.Before)]
    public void ThePromptsEndSaysWhetherTheModelThinks(string prompt, ReasoningPosition position) => Assert.Equal(position, Reasoning.Think.PositionAt(prompt));

    /// <summary>What was cut in a name or a fence is neither a call of another tool nor part of the arguments.</summary>
    [Theory]
    [InlineData("function<｜tool▁sep｜>get", null)]
    [InlineData("function<｜tool▁sep｜>get_weather", null)]
    [InlineData("function<｜tool▁sep｜>get_weather\n", "")]
    [InlineData("function<｜tool▁sep｜>get_weather\n`", "")]
    [InlineData("function<｜tool▁sep｜>get_weather\n```", "")]
    [InlineData("function<｜tool▁sep｜>get_weather\n```json", "")]
    [InlineData("function<｜tool▁sep｜>get_weather\n```json\n{ }\n``", "{ }")]
    [InlineData("function<｜tool▁sep｜>get_weather\n```json\n{ }\n```", "{ }")]
    [InlineData("function<｜tool▁sep｜>get_weather\n```json\n{\"a\": \"b ", "{\"a\": \"b ")]
    public void WhereACallIsCut(string call, string? arguments)
    {
        string expected = arguments is null ? "C:" + Tool + call : arguments.Length == 0 ? "T0:get_weather" : $"T0:get_weather|A0:{arguments}";
        AssertParsed(expected, Tool + call, ToolCallFormat.DeepSeekR1, false, Outputs.Weather);
    }

    [Theory]
    [InlineData(Tool + "function<｜tool▁sep｜>get_weather\n```json\n{\"a\": 1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "T0:get_weather|A0:{\"a\": 1}")]
    [InlineData("I look.\n\n" + Tool + "function<｜tool▁sep｜>get_weather\n{\"a\": 1}<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "C:I look.|T0:get_weather|A0:{\"a\": 1}|T1:get_time|A1:{}")]
    [InlineData(Tool + "get_weather<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜><｜tool▁call▁begin｜>get_time<｜tool▁sep｜><｜tool▁call▁end｜><｜tool▁calls▁end｜>\nDone", "T0:get_weather|A0:{\"a\": 1}|T1:get_time|A1:{}|C:Done")]
    [InlineData("<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"a\": 1", "T0:get_weather|A0:{\"a\": 1")]
    [InlineData(Tool + "function<｜tool▁sep｜>get_weather\n```json\n{\"a\": 1}\n```<｜tool▁calls▁end｜>", "T0:get_weather|A0:{\"a\": 1}")]
    [InlineData(Tool + "function<｜tool▁sep｜>get_weather\n```json\n{\"a\": 1}\n```", "T0:get_weather|A0:{\"a\": 1}")]
    [InlineData(Tool + "get_weather<｜tool▁sep｜>{\"a\": \"Par<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "T0:get_weather|A0:{\"a\": \"Par")]
    [InlineData(Tool + "get_weather<｜tool▁sep｜>{\"a\": \"say <｜tool▁call▁end｜> now\"}<｜tool▁call▁end｜>", "T0:get_weather|A0:{\"a\": \"say <｜tool▁call▁end｜> now\"}")]
    [InlineData(Tool + "get_weather<｜tool▁sep｜>no json<｜tool▁call▁end｜>", "T0:get_weather|A0:no json")]
    [InlineData(Tool + "two words<｜tool▁sep｜>{}<｜tool▁call▁end｜>", "C:" + Tool + "two words<｜tool▁sep｜>{}<｜tool▁call▁end｜>")]
    [InlineData("<｜tool▁calls▁begin｜>no call <｜tool▁calls▁end｜>", "C:<｜tool▁calls▁begin｜>no call <｜tool▁calls▁end｜>")]
    [InlineData("a <｜tool▁calls", "C:a <｜tool▁calls")]
    [InlineData("<think>" + Tool + "x</think>y", "R:" + Tool + "x|C:y")]
    public void DeepSeeksCalls(string text, string expected)
    {
        AssertParsed(expected, text, ToolCallFormat.DeepSeekR1, false, Outputs.Weather);
        AssertParsed(expected, text, ToolCallFormat.DeepSeekV31, false, Outputs.Weather);
        Assert.DoesNotContain("T0", Outputs.Parse(text, ToolCallFormat.DeepSeekR1), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:2<|tool_call_argument_begin|>{\"a\": 1}<|tool_call_end|><|tool_call_begin|>functions.get_time:3<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>", "T0:get_weather#functions.get_weather:2|A0:{\"a\": 1}|T1:get_time#functions.get_time:3|A1:{}")]
    [InlineData("Hi<|tool_calls_section_begin|>\n<|tool_call_begin|>\nget_weather\n<|tool_call_argument_begin|>\n{}\n<|tool_call_end|>\n<|tool_calls_section_end|>\n", "C:Hi|T0:get_weather#functions.get_weather:5|A0:{}")]
    [InlineData("<|tool_call_begin|>functions.a:0<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_call_begin|>functions.a:0<|tool_call_argument_begin|>{}<|tool_call_end|>", "T0:a#functions.a:0|A0:{}|T1:a#functions.a:6|A1:{}")]
    [InlineData("Hi<|tool_call_section_begin|><|tool_call_begin|>functions.get_weather:2<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_call_section_end|>Done", "C:Hi|T0:get_weather#functions.get_weather:2|A0:{}|C:Done")]
    [InlineData("<|tool_call_section_begin|><|tool_call_begin|>functions.get_weather:2<|tool_call_argument_begin|>{\"a\": 1}<|tool_call_section_end|>", "T0:get_weather#functions.get_weather:2|A0:{\"a\": 1}")]
    [InlineData("<|tool_call_begin|>functions.a b:0<|tool_call_argument_begin|>", "C:<|tool_call_begin|>functions.a b:0<|tool_call_argument_begin|>")]
    public void KimisCalls(string text, string expected) => AssertParsed(expected, text, ToolCallFormat.KimiK2, false, Outputs.Weather, 5);

    [Theory]
    [InlineData("functions_get_weather_1", "get_weather")]
    [InlineData("functionsget_weather5", "get_weather")]
    [InlineData("functions.get_weather7", "get_weather")]
    [InlineData("functions.get_weather_7", "get_weather")]
    [InlineData("functionsget_weather:0", "get_weather")]
    [InlineData("get_weather_3", "get_weather")]
    [InlineData("functions_f_2", "f")]
    [InlineData("functions_f_2_3", "f_2")]
    [InlineData("functions_x_1", "functions_x_1")]
    [InlineData("functionsx1", "functionsx1")]
    [InlineData("functions_1", "functions_1")]
    public void KimisCallsAreOfToolsThatThereAre(string written, string name) => AssertParsed(
        $"T0:{name}#functions.{name}:5|A0:{{}}",
        $"<|tool_call_begin|>{written}<|tool_call_argument_begin|>{{}}<|tool_call_end|>",
        ToolCallFormat.KimiK2, false, [.. Outputs.Weather, new ChatTool("f"), new ChatTool("f_2"), new ChatTool("functions_x_1")], 5);

    [Theory]
    [InlineData("<tool_call>f\n<arg_key>text</arg_key>\n<arg_value>a \"b\"\n\\</arg_value>\n<arg_key>count</arg_key>\n<arg_value>5</arg_value>\n</tool_call>", "T0:f|A0:{\"text\": \"a \\\"b\\\"\\n\\\\\", \"count\": 5}")]
    [InlineData("Hm\n<tool_call>f<arg_key>text</arg_key><arg_value>5</arg_value><arg_key>any</arg_key><arg_value>5</arg_value></tool_call><tool_call>f</tool_call>end", "C:Hm|T0:f|A0:{\"text\": \"5\", \"any\": 5}|T1:f|A1:{}|C:end")]
    [InlineData("<tool_call>f<arg_key>maybe</arg_key><arg_value>null</arg_value><arg_key>maybe</arg_key><arg_value>5</arg_value><arg_key>on</arg_key><arg_value>yes</arg_value></tool_call>", "T0:f|A0:{\"maybe\": null, \"maybe\": \"5\", \"on\": \"yes\"}")]
    [InlineData("<tool_call>f<arg_key>list</arg_key><arg_value>[\"x\"]</arg_value><arg_key>other</arg_key><arg_value>a b</arg_value></tool_call>", "T0:f|A0:{\"list\": [\"x\"], \"other\": \"a b\"}")]
    [InlineData("<tool_call>f<arg_key>text</arg_key><arg_value>half </arg_va", "T0:f|A0:{\"text\": \"half </arg_va")]
    [InlineData("<tool_call>f<arg_key>count</arg_key><arg_value>4</arg_value> junk", "T0:f|A0:{\"count\": 4}|C:junk")]
    [InlineData("<tool_call>f<arg_key>list</arg_key><arg_value>[\"a</arg_value>b\"]</arg_value></tool_call>", "T0:f|A0:{\"list\": [\"a</arg_value>b\"]}")]
    [InlineData("<tool_call>f<arg_key>any</arg_key><arg_value>5\" disk</arg_value><arg_key>any</arg_key><arg_value>{\"x</arg_value></tool_call>", "T0:f|A0:{\"any\": \"5\\\" disk\", \"any\": \"{\\\"x\"}")]
    [InlineData("<tool_call>f<arg_key>on</arg_key><arg_value>True</arg_value><arg_key>on</arg_key><arg_value> False </arg_value><arg_key>count</arg_key><arg_value>None</arg_value><arg_key>any</arg_key><arg_value>True</arg_value></tool_call>", "T0:f|A0:{\"on\": true, \"on\": false, \"count\": \"None\", \"any\": \"True\"}")]
    [InlineData("<tool_call>{\"name\": \"f\"}</tool_call>", "C:<tool_call>{\"name\": \"f\"}</tool_call>")]
    [InlineData("use <tool_call> with care", "C:use <tool_call> with care")]
    [InlineData("<tool_call>f", "C:<tool_call>f")]
    public void GlmsCalls(string text, string expected) => AssertParsed(expected, text, ToolCallFormat.Glm, false, Typed);

    [Theory]
    [InlineData("hm\n<tool_call>f<arg_key>count</arg_key><arg_value>5</arg_value></tool_call>done", "R:hm|T0:f|A0:{\"count\": 5}|C:done")]
    [InlineData("write <tool_call> or <tool_call>g</tool_call> </think>ok", "R:write <tool_call> or <tool_call>g</tool_call>|C:ok")]
    [InlineData("hm <tool_call>f", "R:hm <tool_call>f")]
    public void ACallEndsGlmsReasoning(string text, string expected) => AssertParsed(expected, text, ToolCallFormat.Glm, true, Typed);

    [Theory]
    [InlineData("hm <|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:5<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>", "R:hm|T0:get_weather#functions.get_weather:5|A0:{}")]
    [InlineData("hm <|tool_call_section_begin|><|tool_call_begin|>functions.get_weather:5<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_call_section_end|>", "R:hm|T0:get_weather#functions.get_weather:5|A0:{}")]
    [InlineData("hm <|tool_calls_section_begin|><|tool_call_begin|>functions.none:5<|tool_call_argument_begin|></think>ok", "R:hm <|tool_calls_section_begin|><|tool_call_begin|>functions.none:5<|tool_call_argument_begin|>|C:ok")]
    public void ACallEndsKimisReasoning(string text, string expected)
    {
        AssertParsed(expected, text, ToolCallFormat.KimiK2, true, Outputs.Weather, 5);
        AssertParsed(expected, "<think>" + text, ToolCallFormat.KimiK2, false, Outputs.Weather, 5);
    }

    [Theory]
    [InlineData("hm\n" + Tool + "get_weather<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "R:hm|T0:get_weather|A0:{\"a\": 1}")]
    [InlineData("hm\n" + Tool + "function<｜tool▁sep｜>get_weather\n```json\n{\"a\": 1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "R:hm|T0:get_weather|A0:{\"a\": 1}")]
    [InlineData("hm " + Tool + "none<｜tool▁sep｜>{}</think>ok", "R:hm " + Tool + "none<｜tool▁sep｜>{}|C:ok")]
    public void ACallEndsDeepSeeksReasoning(string text, string expected)
    {
        AssertParsed(expected, text, ToolCallFormat.DeepSeekV31, true, Outputs.Weather);
        AssertParsed(expected, "<think>" + text, ToolCallFormat.DeepSeekR1, false, Outputs.Weather);
    }

    [Fact]
    public void IdsAreUniqueAndOpenAIsKind()
    {
        ChatOutputParser parser = new(ToolCallFormat.Glm, false, Typed);
        List<ChatEvent> events = [];
        parser.Append(string.Concat(Enumerable.Repeat("<tool_call>f</tool_call>", 20)), events);
        parser.Finish(events);
        string[] ids = [.. events.Where(static e => e.Kind == ChatEventKind.ToolCall).Select(static e => e.Id!)];
        Assert.Equal((20, 20, 20), (ids.Length, ids.Distinct().Count(), parser.ToolCalls));
        Assert.All(ids, static id => Assert.Matches("^call_[A-Za-z0-9]{24}$", id));
    }

    [Fact]
    public void ArgumentsStreamAsTheyCome()
    {
        foreach (ToolCallFormat? format in Formats[1..])
        {
            string text = format == ToolCallFormat.Glm ? "<tool_call>f\n<arg_key>text</arg_key>\n<arg_value>"
                : format == ToolCallFormat.KimiK2 ? "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"text\": \""
                : Tool + "function<｜tool▁sep｜>f\n```json\n{\"text\": \"";
            ChatOutputParser parser = new(format, false, Typed);
            List<ChatEvent> events = [];
            parser.Append(text, events);
            Assert.Equal("T0:f|A0:{\"text\": \"", Outputs.Join(events).Split('#')[0] + (format == ToolCallFormat.KimiK2 ? "|A0:{\"text\": \"" : ""));
            foreach (char c in "some words")
            {
                events.Clear();
                parser.Append([c], events);
                if (c != ' ')
                {
                    Assert.EndsWith($"{c}", Assert.Single(events).Text, StringComparison.Ordinal);
                }
            }
        }
    }

    [Fact]
    public void HowTheTextIsCutMakesNoDifference() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 25)).Select(_ => Pieces[random.Next(Pieces.Length)]));
            ToolCallFormat? format = Formats[random.Next(Formats.Length)];
            bool inside = random.Next(4) == 0;
            string whole = Outputs.Parse(text, format, inside, Typed);
            string cut = Outputs.Parse(text, format, inside, Typed, random);
            Assert.True(whole == cut, $"{text}\nwhole: {whole}\ncut:   {cut}");
            if (format is null)
            {
                // Nothing is lost but the tags and white space around them.
                Assert.Equal(Bare(text.Replace("<think>", "", StringComparison.Ordinal).Replace("</think>", "", StringComparison.Ordinal)),
                    Bare(whole.Replace("<think>", "", StringComparison.Ordinal).Replace("</think>", "", StringComparison.Ordinal).Replace("R:", "", StringComparison.Ordinal).Replace("C:", "", StringComparison.Ordinal)));
            }
        },
        iter: 20_000);

    [Theory]
    [InlineData("<")]
    [InlineData(" ")]
    [InlineData("<think>")]
    [InlineData("<｜tool▁calls▁begin｜>")]
    [InlineData("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>")]
    [InlineData("<｜tool▁call▁begin｜>f<｜tool▁sep｜>")]
    [InlineData("<tool_call>")]
    [InlineData("<tool_call>f ")]
    [InlineData("<tool_call>f<arg_key>any</arg_key><arg_value>")]
    [InlineData("`")]
    public void LongTextsTakeLittlePerCharacter(string piece)
    {
        // 200,000 characters, one at a time: what each is read together with does not grow with the text. GLM waits longest, for the end of a value that may be a number.
        string text = string.Concat(Enumerable.Repeat(piece, 200_000 / piece.Length));
        foreach (ToolCallFormat? format in Formats)
        {
            ChatOutputParser parser = new(format, false, Typed);
            List<ChatEvent> events = [];
            int mostHeld = 0;
            foreach (char c in text)
            {
                parser.Append([c], events);
                mostHeld = Math.Max(mostHeld, parser.HeldBack);
            }

            parser.Finish(events);
            Assert.NotEmpty(events);
            Assert.InRange(mostHeld, 0, format == ToolCallFormat.Glm ? 17_000 : 1000);
        }
    }

    private static string Bare(string text) => string.Concat(text.Where(static c => !char.IsWhiteSpace(c) && c != '|'));

    private static void AssertParsed(string expected, string text, ToolCallFormat? format, bool inside, IReadOnlyList<ChatTool>? tools, int earlier = 0)
    {
        Assert.Equal(expected, Outputs.Parse(text, format, inside, tools, null, earlier));
        for (int seed = 0; seed < 20; seed++)
        {
            Assert.Equal(expected, Outputs.Parse(text, format, inside, tools, new Random(seed), earlier));
        }
    }
}
