using System.Globalization;
using System.Text.Json.Nodes;
using Conclave.Checkpoints;
using Conclave.Primitives;
using Conclave.Testing;
using Conclave.Text;

namespace Conclave.Engine.Tests.Chat;

/// <summary>What templates of several habits are given: small ones, each with the habit of one that was released.</summary>
public sealed class ChatPromptTests
{
    // GLM: whatever is no text is written out; arguments must be objects; parts of a content are read one by one.
    private const string Glm = """
        {%- macro visible(content) -%}{%- if content is string -%}{{ content }}{%- elif content is iterable and content is not mapping -%}
        {%- for part in content -%}{%- if part.type == 'text' -%}{{ part.text }}{%- elif part is string -%}{{ part }}{%- endif -%}{%- endfor -%}
        {%- else -%}{{ content }}{%- endif -%}{%- endmacro -%}
        {%- for m in messages -%}<|{{ m.role }}|>{{ visible(m.content) }}
        {%- for c in m.tool_calls or [] -%}<tool_call>{{ c.function.name }}{% for k, v in c.function.arguments.items() %}<arg_key>{{ k }}</arg_key><arg_value>{{ v }}</arg_value>{% endfor %}</tool_call>{%- endfor -%}
        {%- endfor -%}
        """;

    // R1: a message that has calls is written without its text; arguments must be strings.
    private const string R1 = """
        {%- for m in messages -%}{%- if m['role'] == 'assistant' and 'tool_calls' in m -%}
        {%- for c in m['tool_calls'] -%}{{ '[function ' + c['function']['name'] + ' ' + c['function']['arguments'] + ']' }}{%- endfor -%}<end>
        {%- else -%}{{ '<' + m['role'] + '>' + m['content'] }}{%- endif -%}{%- endfor -%}
        """;

    // V2.5, and V3 and R1 at first: calls are written where there is no content.
    private const string V25 = """
        {%- for m in messages -%}{%- if m['content'] is none -%}{%- for c in m['tool_calls'] -%}{{ '[' + c['function']['name'] + ']' + c['function']['arguments'] }}{%- endfor -%}
        {%- else -%}{{ '<' + m['role'] + '>' + m['content'] }}{%- endif -%}{%- endfor -%}
        """;

    private const string Kimi = """
        {%- if tools -%}{{ tools | tojson(separators=(',', ':')) }}{%- endif -%}
        {%- for m in messages -%}<{{ m.role }}>{{ m.content or '' }}{%- for c in m.tool_calls or [] -%}
        <|tool_call_begin|>{{ c.id }}<|tool_call_argument_begin|>{{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}<|tool_call_end|>{%- endfor -%}{%- endfor -%}
        """;

    private const string Call = """{"id":"functions.f:0","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}}""";

    [Theory]
    [InlineData(Glm, "null", "<|assistant|><tool_call>f<arg_key>x</arg_key><arg_value>1</arg_value></tool_call>")]
    [InlineData(Glm, "\"text\"", "<|assistant|>text<tool_call>f<arg_key>x</arg_key><arg_value>1</arg_value></tool_call>")]
    [InlineData(R1, "null", "[function f {\"x\": 1}]<end>")]
    [InlineData(V25, "null", "[f]{\"x\": 1}")]
    [InlineData(V25, "\"\"", "[f]{\"x\": 1}")]
    [InlineData(V25, "[]", "[f]{\"x\": 1}")]
    [InlineData(Glm, "\"\"", "<|assistant|><tool_call>f<arg_key>x</arg_key><arg_value>1</arg_value></tool_call>")]
    [InlineData(Kimi, "null", "<assistant><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"x\": 1}<|tool_call_end|>")]
    public void ACallMayComeWithoutAContent(string template, string content, string expected)
    {
        string message = $$"""{"role":"assistant","content":{{content}},"reasoning_content":null,"function_call":null,"tool_calls":[{{Call}}]}""";
        Assert.Equal(expected, Render(template, message));
    }

    [Theory]
    [InlineData(Glm, "<|assistant|>b")]
    [InlineData(R1, "<assistant>b")]
    [InlineData(V25, "<assistant>b")]
    [InlineData(Kimi, "<assistant>b")]
    public void NoCallsAreNoCalls(string template, string expected)
    {
        Assert.Equal(expected, Render(template, """{"role":"assistant","content":"b","tool_calls":[]}"""));
        Assert.Equal(expected, Render(template, """{"role":"assistant","content":"b","tool_calls":null}"""));
    }

    [Theory]
    [InlineData(Glm, "<|assistant|>")]
    [InlineData(R1, "<assistant>")]
    [InlineData(V25, "<assistant>")]
    public void NothingSaidIsAnEmptyText(string template, string expected)
    {
        Assert.Equal(expected, Render(template, """{"role":"assistant","content":null}"""));
        Assert.Equal(expected, Render(template, """{"role":"assistant"}"""));
    }

    [Theory]
    [InlineData("\"reasoning\":\"a\"", "a")]
    [InlineData("\"reasoning\":null,\"reasoning_content\":\"b\"", "b")]
    [InlineData("\"reasoning\":\"a\",\"reasoning_content\":\"b\"", "b")]
    public void ReasoningHasTwoNames(string fields, string expected) =>
        Assert.Equal(expected, Render("{{ messages[0].reasoning_content }}", $$"""{"role":"assistant","content":"c",{{fields}}}"""));

    [Theory]
    [InlineData(Glm, "<|user|>ab")]
    [InlineData(R1, "<user>a\nb")]
    public void PartsAreJoinedAsTheTemplateWould(string template, string expected) =>
        Assert.Equal(expected, Render(template, """{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"""));

    // A call that was cut off, no arguments at all, half of a surrogate pair, a list.
    [Theory]
    [InlineData("\"{\\\"x\\\": \\\"a\"")]
    [InlineData("\"\"")]
    [InlineData("null")]
    [InlineData("\"{\\\"a\\\":\\\"\\\\ud800\\\"}\"")]
    [InlineData("\"[1]\"")]
    public void WhatAModelOnceWroteNeedNotBeJson(string arguments)
    {
        string message = $$"""{"role":"assistant","content":"","tool_calls":[{"id":"functions.g:0","function":{"name":"g","arguments":{{arguments}} } },{{Call}}]}""";
        Assert.Equal("<|assistant|><tool_call>g</tool_call><tool_call>f<arg_key>x</arg_key><arg_value>1</arg_value></tool_call>", Render(Glm, message));
        string text = (string?)JsonNode.Parse($"[{arguments}]")![0] is { Length: > 0 } given ? given : "{}";
        Assert.Equal($"[function g {text}][function f {{\"x\": 1}}]<end>", Render(R1, message));
        Assert.StartsWith($"<assistant><|tool_call_begin|>functions.g:0<|tool_call_argument_begin|>{text}<|tool_call_end|>", Render(Kimi, message), StringComparison.Ordinal);
    }

    /// <summary>Some templates join them to texts, others look for their members.</summary>
    [Fact]
    public void ArgumentsMayBeObjects()
    {
        const string Message = """{"role":"assistant","tool_calls":[{"id":"functions.f:0","function":{"name":"f","arguments":{"x":"é\"","y":[1]}}},{"id":"functions.g:1","function":{"name":"g","arguments":"{\"x\": 1}"}}]}""";
        Assert.Equal("""[function f {"x":"é\"","y":[1]}][function g {"x": 1}]<end>""", Render(R1, Message));
        Assert.Equal("""[f]{"x":"é\"","y":[1]}[g]{"x": 1}""", Render(V25, Message));
        Assert.Equal(
            """<|assistant|><tool_call>f<arg_key>x</arg_key><arg_value>é"</arg_value><arg_key>y</arg_key><arg_value>[1]</arg_value></tool_call><tool_call>g<arg_key>x</arg_key><arg_value>1</arg_value></tool_call>""",
            Render(Glm, Message));
    }

    [Theory]
    [InlineData(62)]
    [InlineData(400)]
    public void ArgumentsMayBeDeep(int levels)
    {
        string arguments = Nested(levels);
        string expected = Nested(levels - 1).Replace("{\"a\":", "{'a': ", StringComparison.Ordinal);
        Assert.Equal($"<|assistant|><tool_call>f<arg_key>a</arg_key><arg_value>{expected}</arg_value></tool_call>", Render(Glm, Calling(arguments)));
        Assert.Equal($"[function f {arguments}]<end>", Render(R1, Calling(arguments)));
    }

    // What Python would have read as an object, an empty one would only seem to be.
    [Theory]
    [InlineData("401 levels", "nested more than 400 deep")]
    [InlineData("2000 levels", "nested more than 400 deep")]
    [InlineData("{\"a\": [\"NaN\", NaN]}", "NaN or Infinity, which JSON does not have")]
    [InlineData("{\"a\": -Infinity}", "NaN or Infinity, which JSON does not have")]
    public void ArgumentsThatCannotBeReadAreRefusedWhereATemplateNeedsThem(string written, string problem)
    {
        string arguments = written.Split(' ') is [string levels, "levels"] ? Nested(int.Parse(levels, CultureInfo.InvariantCulture)) : written;
        string messages = """{"role":"user","content":"a"},""" + Calling("{}", arguments);
        UserErrorException e = Assert.Throws<UserErrorException>(() => Render(Glm, messages));
        Assert.StartsWith($"messages: messages[1].tool_calls[1].function.arguments: {problem}", e.Message, StringComparison.Ordinal);
        Assert.Equal($"<user>a[function f {{}}][function f {arguments}]<end>", Render(R1, messages));
    }

    private static string Nested(int levels) => string.Concat(Enumerable.Repeat("{\"a\":", levels)) + "1" + new string('}', levels);

    private static string Calling(params string[] arguments) => new JsonObject
    {
        ["role"] = "assistant",
        ["tool_calls"] = new JsonArray([.. arguments.Select((text, i) => new JsonObject { ["id"] = $"functions.f:{i}", ["function"] = new JsonObject { ["name"] = "f", ["arguments"] = text } })]),
    }.ToJsonString();

    // Ids of other models, of nobody, one that is its own, and one that would be taken.
    [Fact]
    public void KimiKnowsToolsByTheirIds()
    {
        const string Template = """
            {%- for m in messages -%}<{{ m.role }} {{ m.tool_call_id }}>{%- for c in m.tool_calls or [] -%}
            <|tool_call_begin|>{{ c.id }}<|tool_call_argument_begin|>{{ c.function.arguments }}<|tool_call_end|>{%- endfor -%}{%- endfor -%}
            """;
        const string Messages = """
            {"role":"assistant","tool_calls":[{"id":"call_a","function":{"name":"f","arguments":"1"}},{"function":{"name":"g","arguments":"2"}}]},
            {"role":"tool","tool_call_id":"call_a","content":"x"},
            {"role":"tool","content":"y"},
            {"role":"assistant","tool_calls":[{"id":"functions.f:3","function":{"name":"f","arguments":"3"}},{"id":"functions_f_3","function":{"name":"f","arguments":"4"}}]},
            {"role":"tool","tool_call_id":"functions_f_3","content":"z"},
            {"role":"tool","tool_call_id":"functions.f:3","content":"z"},
            {"role":"tool","tool_call_id":"call_unknown","content":"z"}
            """;
        static string Call(string id, int arguments) => $"<|tool_call_begin|>{id}<|tool_call_argument_begin|>{arguments}<|tool_call_end|>";
        Assert.Equal(
            $"<assistant >{Call("functions.f:0", 1)}{Call("functions.g:1", 2)}<tool functions.f:0><tool functions.g:1>"
            + $"<assistant >{Call("functions.f:3", 3)}{Call("functions.f:4", 4)}<tool functions.f:4><tool functions.f:3><tool call_unknown>",
            Render(Template, Messages));
        const string Other = "{%- for m in messages -%}{%- for c in m.tool_calls or [] -%}{{ c.id }}<tool_call><arg_key>{{ c.function.arguments }}{%- endfor -%}{%- endfor -%}";
        Assert.Equal("call_a<tool_call><arg_key>1<tool_call><arg_key>2functions.f:3<tool_call><arg_key>3functions_f_3<tool_call><arg_key>4", Render(Other, Messages));
    }

    [Fact]
    public void KimiWasTrainedOnSortedTools()
    {
        const string Tools = """[{"type":"function","function":{"name":"f","parameters":{"type":"object","required":["z","a"],"properties":{"z":{"type":"string"},"a":{"b":[{"d":1,"c":2}]}}}}}]""";
        Assert.Equal(
            """[{"function":{"name":"f","parameters":{"properties":{"a":{"b":[{"c":2,"d":1}]},"z":{"type":"string"}},"required":["z","a"],"type":"object"}},"type":"function"}]<user>a""",
            Render(Kimi, """{"role":"user","content":"a"}""", Tools));
        Assert.Equal(Tools + "<user>a", Render("{{ tools | tojson(separators=(',', ':')) }}<user>{{ messages[0].content }}", """{"role":"user","content":"a"}""", Tools));
    }

    // DeepSeek's own templates do not mention tools: a V3.1 that joins what the system says, an R1 that knows the last of it.
    private const string V31WithoutTools = """
        {%- set ns = namespace(system=[]) -%}
        {%- for m in messages if m['role'] == 'system' -%}{%- set ns.system = ns.system + [m['content']] -%}{%- endfor -%}
        {{- ns.system | join('\n\n') -}}
        {%- for m in messages -%}{%- if m['role'] == 'user' -%}{{ '<｜User｜>' + m['content'] }}
        {%- elif m['role'] == 'assistant' -%}{%- for c in m['tool_calls'] -%}{{ '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + c['function']['name'] + '<｜tool▁sep｜>' + c['function']['arguments'] + '<｜tool▁call▁end｜>' }}{%- endfor -%}{%- endif -%}{%- endfor -%}
        """;

    private const string R1WithoutTools = """
        {%- set ns = namespace(system='') -%}
        {%- for m in messages if m['role'] == 'system' -%}{%- set ns.system = m['content'] -%}{%- endfor -%}
        {{- ns.system -}}
        {%- for m in messages -%}{%- if m['role'] == 'user' -%}{{ '<｜User｜>' + m['content'] }}
        {%- elif m['role'] == 'assistant' -%}{%- for c in m['tool_calls'] -%}{{ '<｜tool▁call▁begin｜>function<｜tool▁sep｜>' + c['function']['name'] + '\n```json\n' + c['function']['arguments'] + '\n```<｜tool▁call▁end｜>' }}{%- endfor -%}{%- endif -%}{%- endfor -%}
        """;

    private const string TwoTools = """
        [{"type":"function","function":{"name":"look","description":"Looks.","parameters":{"type":"object","properties":{"x":{"type":"string","description":"Wohin, 春"}}}}},
         {"type":"function","function":{"name":"wait"}}]
        """;

    private const string ToldOfTools = """
        ## Tools
        You have access to the following tools:

        ### look
        Description: Looks.

        Parameters: {"type": "object", "properties": {"x": {"type": "string", "description": "Wohin, 春"}}}

        ### wait
        Description: 

        Parameters: {}

        IMPORTANT: ALWAYS adhere to this exact format for tool use:
        CALL

        Where:
        - `tool_call_name` must be an exact match to one of the available tools
        - `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
        - For multiple tool calls, chain them CHAIN
        """;

    [Fact]
    public void V31IsToldOfToolsAsItsModelCardSays()
    {
        const string Messages = """{"role":"system","content":"A"},{"role":"system","content":[{"type":"text","text":"B"}]},{"role":"user","content":"C"}""";
        string v31 = ToldOfTools
            .Replace("CALL", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<｜tool▁call▁end｜>{additional_tool_calls}<｜tool▁calls▁end｜>", StringComparison.Ordinal)
            .Replace("CHAIN", "directly without separators or spaces", StringComparison.Ordinal);
        Assert.Equal($"A\n\nB\n\n{v31}<｜User｜>C", Render(V31WithoutTools, Messages, TwoTools));

        // DeepSeek published nothing for R1 and V3.
        Assert.Equal("B<｜User｜>C", Render(R1WithoutTools, Messages, TwoTools));
        Assert.Equal($"\n\n{v31}<｜User｜>C", Render(V31WithoutTools, """{"role":"user","content":"C"}""", TwoTools));
        Assert.Equal("A\n\nB<｜User｜>C", Render(V31WithoutTools, Messages));
    }

    [Fact]
    public void WhatIsNotGivenIsNoneAndTokensHaveTheirTexts()
    {
        const string Config = """{"bos_token": {"content": "<s>"}, "pad_token": "<pad>", "unk_token": null, "chat_template": "x"}""";
        Assert.Equal(
            "True True|<s><pad>|True True",
            Render(
                "{{ tools is none }} {{ documents is none }}|{{ bos_token }}{{ pad_token }}{{ eos_token }}|{{ unk_token is undefined }} {{ eos_token is undefined }}",
                """{"role":"user","content":"a"}""", config: Config));
    }

    [Fact]
    public void ConversationsWithToolsHaveATemplateOfTheirOwn()
    {
        const string Config = """{"chat_template": [{"name": "default", "template": "plain {{ messages[0].content }}"}, {"name": "tool_use", "template": "{{ tools | length }} tools {{ messages[0].content }}"}]}""";
        Assert.Equal("plain a", Render(null, """{"role":"user","content":"a"}""", config: Config));
        Assert.Equal("1 tools a", Render(null, """{"role":"user","content":"a"}""", """[{"type":"function","function":{"name":"f"}}]""", Config));
    }

    [Fact]
    public void ARefusalIsTheTemplates()
    {
        UserErrorException e = Assert.Throws<UserErrorException>(() => Render(
            R1 + "{{ raise_exception('only users speak') }}", $$"""{"role":"assistant","content":null,"tool_calls":[{{Call}}]}"""));
        Assert.Contains("only users speak", e.Message, StringComparison.Ordinal);
    }

    private static string Render(string? template, string messages, string? tools = null, string config = "{}")
    {
        using TemporaryFolder folder = new();
        folder.Write("tokenizer_config.json", config);
        if (template is not null)
        {
            folder.Write("chat_template.jinja", template);
        }

        ChatPrompt prompt = ChatPrompt.Load(TokenizerConfig.Read(folder.Path), Tokenizer.Load(Repository.Fable))!;
        JsonArray given = (JsonArray)JsonNode.Parse($"[{messages}]")!;
        string before = given.ToJsonString();
        string text = prompt.Render(given, tools is null ? null : (JsonArray)JsonNode.Parse(tools)!);
        Assert.Equal(before, given.ToJsonString());
        return text;
    }
}
