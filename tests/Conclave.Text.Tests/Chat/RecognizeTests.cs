using System.Text.Json;
using Conclave.Testing;
using Conclave.Text.Chat;
using Conclave.Text.Tests.Tokenization;

namespace Conclave.Text.Tests.Chat;

/// <summary>Which format a template writes.</summary>
public class RecognizeTests
{
    // Reduced to what matters: how calls are written, and what the template expects of messages.
    private const string V31 = """
        {%- for m in messages %}{%- if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}{%- else %}{{ '<｜Assistant｜></think>' }}
        {%- for tool in m['tool_calls'] %}{%- if m['content'] is none %}{{ '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['function']['name'] + '<｜tool▁sep｜>' + tool['function']['arguments'] + '<｜tool▁call▁end｜>' }}{%- endif %}{%- endfor %}
        {{- '<｜tool▁calls▁end｜><｜end▁of▁sentence｜>' }}{%- endif %}{%- endfor %}
        """;

    private const string Kimi = """
        {%- if tools %}<|im_system|>tool_declare<|im_middle|>{{ tools | tojson }}<|im_end|>{%- endif %}
        {%- for m in messages %}{%- if m.tool_calls %}<|im_assistant|>assistant<|im_middle|>{{ m.content or '' }}<|tool_calls_section_begin|>
        {%- for call in m.tool_calls %}<|tool_call_begin|>{{ call['id'] }}<|tool_call_argument_begin|>{% if call['function']['arguments'] is string %}{{ call['function']['arguments'] }}{% else %}{{ call['function']['arguments'] | tojson }}{% endif %}<|tool_call_end|>{%- endfor %}<|tool_calls_section_end|><|im_end|>
        {%- else %}<|im_user|>user<|im_middle|>{{ m.content }}<|im_end|>{%- endif %}{%- endfor %}
        """;

    private const string Glm = """
        {%- for m in messages %}{%- if m.role == 'user' %}<|user|>{{ m.content }}{%- else %}<|assistant|>
        {%- for tc in m.tool_calls %}{%- set tc = tc.function %}{{- '<tool_call>' + tc.name BREAK }}{% for k, v in tc.arguments.items() %}<arg_key>{{ k }}</arg_key>BETWEEN<arg_value>{{ v | tojson(ensure_ascii=False) if v is not string else v }}</arg_value>BETWEEN{% endfor %}</tool_call>{%- endfor %}{%- endif %}{%- endfor %}
        """;

    private static readonly string FableTemplate =
        JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Fable, "tokenizer_config.json"))).RootElement.GetProperty("chat_template").GetString()!;

    private static readonly ChatTool[] Tools = [new ChatTool("look")];

    [Theory]
    [InlineData("fable", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>")]
    [InlineData("r1-like", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>")]
    [InlineData("v3.1", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>")]
    [InlineData("kimi", "<|tool_calls_section_begin|><|tool_call_begin|>functions.look:0<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>")]
    [InlineData("glm-4.5", "<tool_call>look\n</tool_call>")]
    [InlineData("glm-4.7", "<tool_call>look</tool_call>")]
    public void ATemplateTellsItsFormat(string name, string call)
    {
        string template = name switch
        {
            "fable" => FableTemplate,
            "r1-like" => File.ReadAllText(Repository.Data("chat", "r1-like.jinja")),
            "v3.1" => V31,
            "kimi" => Kimi,
            "glm-4.5" => Glm.Replace("BREAK", "+ '\\n'", StringComparison.Ordinal).Replace("BETWEEN", "\n", StringComparison.Ordinal),
            _ => Glm.Replace("BREAK", "", StringComparison.Ordinal).Replace("BETWEEN", "", StringComparison.Ordinal),
        };
        ToolCallFormat? format = ToolCallFormat.Recognize(template, null);
        Assert.NotNull(format);
        Assert.True(Forced.Allows(format.CreateGrammar(Tools, Tokenizers.Fable, parallel: false), call));
        Assert.Equal("T0:look|A0:{}", Outputs.Parse(call, format, tools: Tools).Replace("#functions.look:0|A0:{}", "|A0:{}", StringComparison.Ordinal));
    }

    [Fact]
    public void KimiVLIsKnownByItsTemplateOrItsTokens()
    {
        Assert.Same(Reasoning.Think, Reasoning.Recognize("{{ '<think>' }}", Tokenizers.Fable));
        Assert.Same(Reasoning.Think, Reasoning.Recognize("{{ messages }}", Tokenizers.Kimi));
        Assert.Same(Reasoning.KimiVL, Reasoning.Recognize("{{ '◁think▷' }}", Tokenizers.Fable));
        Assert.Same(Reasoning.KimiVL, Reasoning.Recognize("{{ messages }}", Images("<think>")));
        Assert.Same(Reasoning.Think, Reasoning.Recognize("{{ messages }}", Images("<｜tool▁sep｜>")));
    }

    // A tokenizer with a token for images in the place of another.
    private static Tokenizer Images(string other)
    {
        using TemporaryFolder folder = new();
        folder.Write("tokenizer.json", File.ReadAllText(Path.Combine(Repository.Fable, "tokenizer.json")).Replace(other, "<|media_pad|>", StringComparison.Ordinal));
        return Tokenizer.Load(folder.Path);
    }

    [Fact]
    public void WithoutATemplateTheTokensTell()
    {
        Assert.Same(ToolCallFormat.DeepSeekR1, ToolCallFormat.Recognize(null, Tokenizers.Fable));
        Assert.Null(ToolCallFormat.Recognize(null, null));
        Assert.Null(ToolCallFormat.Recognize("{% for m in messages %}{{ m.content }}{% endfor %}", null));
        Assert.Null(ToolCallFormat.Recognize("{% broken", null));
        Assert.Same(ToolCallFormat.DeepSeekR1, ToolCallFormat.Recognize("{{ raise_exception('no') }}{# function<｜tool▁sep｜> #}", null));
        Assert.Same(ToolCallFormat.DeepSeekV31, ToolCallFormat.Recognize("{% broken '<｜tool▁sep｜>'", null));
    }
}
