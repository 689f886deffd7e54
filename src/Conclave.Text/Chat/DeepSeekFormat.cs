using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Text.Grammars;

namespace Conclave.Text.Chat;

/// <summary>
/// DeepSeek's two formats, which share their markers. Reading takes both: what stands before the separator is the tool's name, unless it
/// is the word "function".
/// </summary>
/// <param name="type">The word before the separator; null if the tool's name stands there.</param>
/// <param name="before">What stands between the name, or the separator, and the arguments.</param>
/// <param name="after">What stands behind the arguments.</param>
internal sealed class DeepSeekFormat(string? type, string before, string after) : ToolCallFormat
{
    public const string Separator = "<｜tool▁sep｜>";
    private const string CallsBegin = "<｜tool▁calls▁begin｜>";
    private const string CallsEnd = "<｜tool▁calls▁end｜>";
    private const string CallBegin = "<｜tool▁call▁begin｜>";
    private const string CallEnd = "<｜tool▁call▁end｜>";
    private const string Function = "function";

    // What the model card of V3.1 says. For R1 and V3, which have a type before the name, DeepSeek published nothing; templates that tell of tools (vLLM's and SGLang's examples) can be given in their place.
    private const string Description = $$$"""
        ## Tools
        You have access to the following tools:

        {% for tool in tools %}
        ### {{ tool.function.name }}
        Description: {{ tool.function.description or '' }}

        Parameters: {{ (tool.function.parameters or {}) | tojson }}

        {% endfor %}
        IMPORTANT: ALWAYS adhere to this exact format for tool use:
        {{{CallsBegin}}}{{{CallBegin}}}tool_call_name{{{Separator}}}tool_call_arguments{{{CallEnd}}}{additional_tool_calls}{{{CallsEnd}}}

        Where:
        - `tool_call_name` must be an exact match to one of the available tools
        - `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
        - For multiple tool calls, chain them directly without separators or spaces
        """;

    private static readonly Lazy<ChatTemplate> ToolsOfV31 = new(() => ChatTemplate.Parse(Description, "tools"));

    /// <inheritdoc/>
    internal override string[] Markers { get; } = [CallsBegin, CallBegin, CallsEnd];

    /// <inheritdoc/>
    internal override string[] SectionEnds { get; } = [CallsEnd];

    /// <inheritdoc/>
    internal override string[] ReasoningEnds { get; } = [CallsBegin];

    /// <inheritdoc/>
    public override string? Describe(JsonArray tools)
    {
        if (type is not null)
        {
            return null;
        }

        try
        {
            using JsonDocument variables = JsonDocument.Parse(new JsonObject { ["tools"] = tools.DeepClone() }.ToJsonString());
            return ToolsOfV31.Value.Render(variables.RootElement);
        }
        catch (TemplateException e)
        {
            throw new UserErrorException($"tools: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    internal override Match ReadHeader(ReadOnlySpan<char> text, bool final, IReadOnlyList<ChatTool> tools, out CallHeader header)
    {
        header = default;
        int at = text.StartsWith(CallsBegin) ? CallsBegin.Length : 0;
        Match match = TextScan.Skip(text, ref at, CallBegin, final);
        if (match != Match.Yes)
        {
            return match;
        }

        ReadOnlySpan<char> rest = text[at..];
        int separator = rest[..Math.Min(rest.Length, TextScan.MaxName + Separator.Length)].IndexOf(Separator);
        if (separator < 0)
        {
            return final || rest.Length >= TextScan.MaxName + Separator.Length ? Match.No : Match.Undecided;
        }

        ReadOnlySpan<char> name = rest[..separator].Trim();
        at += separator + Separator.Length;
        if (name is Function && !tools.Any(static tool => tool.Name == Function))
        {
            match = TextScan.SkipSpace(text, ref at, final);
            if (match != Match.Yes)
            {
                return match;
            }

            // A name at the very end may have been cut, and be that of another tool.
            int length = TextScan.NameLength(text[at..]);
            if (at + length == text.Length)
            {
                return final ? Match.No : Match.Undecided;
            }

            name = text.Slice(at, length);
            at += length;
        }

        header = new CallHeader(at, name.ToString());
        return TextScan.IsName(name) ? Match.Yes : Match.No;
    }

    /// <inheritdoc/>
    internal override ArgumentsReader Arguments(string name, IReadOnlyList<ChatTool> tools) => new JsonArguments([CallEnd, CallsEnd], CallBegin);

    /// <inheritdoc/>
    private protected override Grammar CallGrammar(ChatTool tool, Tokenizer tokenizer, int earlierToolCalls) => Grammar.Sequence(
        Grammar.Literal($"{CallBegin}{(type is null ? tool.Name + Separator : type + Separator + tool.Name)}{before}", tokenizer),
        ToolGrammar.FromParameters(tool.Parameters),
        Grammar.Literal(after + CallEnd, tokenizer));

    /// <inheritdoc/>
    private protected override Grammar Section(Grammar calls, Tokenizer tokenizer) =>
        Grammar.Sequence(Grammar.Literal(CallsBegin, tokenizer), calls, Grammar.Literal(CallsEnd, tokenizer));
}
