using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Text.Grammars;

namespace Conclave.Text.Chat;

/// <summary>
/// How a model writes tool calls: what <see cref="ChatOutputParser"/> reads, and what a grammar forces it to write. Immutable.
/// </summary>
public abstract class ToolCallFormat
{
    // One for all grammars: their masks of it are the same.
    private readonly Lazy<Grammar> _text;

    private protected ToolCallFormat() => _text = new Lazy<Grammar>(() => Grammar.TextWithout([.. Markers.Except(SectionEnds)]));

    /// <summary>
    /// DeepSeek R1 and V3: <c>&lt;｜tool▁calls▁begin｜&gt;&lt;｜tool▁call▁begin｜&gt;function&lt;｜tool▁sep｜&gt;NAME</c>, the arguments in a code
    /// fence, <c>&lt;｜tool▁call▁end｜&gt;&lt;｜tool▁calls▁end｜&gt;</c>.
    /// </summary>
    public static ToolCallFormat DeepSeekR1 { get; } = new DeepSeekFormat("function", "\n```json\n", "\n```");

    /// <summary>DeepSeek V3.1: as R1, but <c>NAME&lt;｜tool▁sep｜&gt;{…}</c> between the markers of a call.</summary>
    public static ToolCallFormat DeepSeekV31 { get; } = new DeepSeekFormat(null, string.Empty, string.Empty);

    /// <summary>
    /// Kimi K2: <c>&lt;|tool_calls_section_begin|&gt;&lt;|tool_call_begin|&gt;functions.NAME:NUMBER&lt;|tool_call_argument_begin|&gt;{…}&lt;|tool_call_end|&gt;&lt;|tool_calls_section_end|&gt;</c>;
    /// the number counts all calls of the conversation from 0, and the template needs these ids back.
    /// </summary>
    public static ToolCallFormat KimiK2 { get; } = new KimiFormat();

    /// <summary>
    /// GLM 4.5 to 4.7: <c>&lt;tool_call&gt;NAME</c>, for each argument <c>&lt;arg_key&gt;NAME&lt;/arg_key&gt;</c> and
    /// <c>&lt;arg_value&gt;…&lt;/arg_value&gt;</c>, <c>&lt;/tool_call&gt;</c>; values are JSON, except strings, which are written as they are. Its grammar
    /// writes line breaks between them (4.5); 4.7's template has none (see <see cref="Recognize"/>).
    /// </summary>
    public static ToolCallFormat Glm { get; } = new GlmFormat("\n");

    /// <summary>Whether calls are numbered over the conversation, so that a grammar depends on how many there were.</summary>
    public virtual bool NumbersCalls => false;

    /// <summary>Whether the model was trained on definitions of tools whose members are sorted (Kimi K2: tokenization_kimi.py, apply_chat_template).</summary>
    public virtual bool SortsDefinitions => false;

    /// <summary>What a model is told of tools, behind what the system says, where its template ignores them; null: its template is expected to tell.</summary>
    /// <param name="tools">Tools as OpenAI's API has them.</param>
    /// <exception cref="UserErrorException">The tools cannot be written.</exception>
    public virtual string? Describe(JsonArray tools) => null;

    /// <summary>The id of a call in the conversation so far, from which Kimi K2's template has the tool's name; others may be any.</summary>
    /// <param name="name">The name of the tool.</param>
    /// <param name="given">The id that came with the call, if any.</param>
    /// <param name="number">The number of calls before it in the conversation.</param>
    /// <param name="taken">Ids that the conversation has already.</param>
    public virtual string? IdInConversation(string name, string? given, int number, IReadOnlySet<string> taken) => given;

    /// <summary>The markers that begin a call, or a section of them, or end a section; all begin with the same character.</summary>
    internal abstract string[] Markers { get; }

    /// <summary>The markers that end a section; none if there are no sections.</summary>
    internal abstract string[] SectionEnds { get; }

    /// <summary>The markers of calls that end reasoning whose own end tag the model has forgotten.</summary>
    internal abstract string[] ReasoningEnds { get; }

    /// <summary>
    /// Which format a model writes: its template is asked to write a call, and the markers in that are the format's. Without a template that
    /// writes calls, markers among the tokenizer's added tokens tell.
    /// </summary>
    /// <param name="chatTemplate">The source of the model's chat template, null if it has none.</param>
    /// <param name="tokenizer">The model's tokenizer, null if unknown.</param>
    /// <returns>The format; null if the model writes none that is known: its tool calls are not recognized.</returns>
    public static ToolCallFormat? Recognize(string? chatTemplate, Tokenizer? tokenizer) =>
        TemplateProbe.Recognize(chatTemplate, token => tokenizer is not null && tokenizer.TryGetId(token, out _));

    /// <summary>
    /// The grammar of an output that calls tools and does nothing else. Arguments are valid under the schemas of their tools.
    /// See <see cref="Reasoning.ThenAnswer"/> for a model that thinks before.
    /// </summary>
    /// <param name="tools">The tools that may be called: all of the request, or the one that it names. At least one, names distinct.</param>
    /// <param name="tokenizer">The model's tokenizer: markers that are tokens of their own must be written as these.</param>
    /// <param name="parallel">Any number of calls instead of one.</param>
    /// <param name="earlierToolCalls">The tool calls in the conversation so far: Kimi K2 counts on.</param>
    /// <exception cref="UserErrorException">There is no tool; a schema is wrong, not supported, or not an object's. The message names the tool.</exception>
    public Grammar CreateGrammar(IReadOnlyList<ChatTool> tools, Tokenizer tokenizer, bool parallel, int earlierToolCalls = 0)
    {
        if (tools.Count == 0)
        {
            throw new UserErrorException("a tool call is required, but the request names no tool");
        }

        List<Grammar> calls = [];
        foreach (ChatTool tool in tools)
        {
            try
            {
                calls.Add(CallGrammar(tool, tokenizer, earlierToolCalls));
            }
            catch (UserErrorException e)
            {
                throw new UserErrorException($"the tool {tool.Name}: {e.Message}", e);
            }
        }

        return Section(Grammar.Repeat(Grammar.Choice([.. calls]), ToolGrammar.OptionalLineBreak, 1, parallel ? null : 1), tokenizer).Compiled();
    }

    /// <summary>
    /// The grammar of an output that may call tools: text in which no call begins, then nothing or calls as <see cref="CreateGrammar"/> has them.
    /// </summary>
    /// <inheritdoc cref="CreateGrammar"/>
    public Grammar CreateAutoGrammar(IReadOnlyList<ChatTool> tools, Tokenizer tokenizer, bool parallel, int earlierToolCalls = 0) =>
        Grammar.Sequence(_text.Value, Grammar.Choice(Grammar.Literal(string.Empty), CreateGrammar(tools, tokenizer, parallel, earlierToolCalls))).Compiled();

    /// <summary>Reads the beginning of a call, or of a section and its first call.</summary>
    /// <param name="text">What has arrived of it; it begins with one of <see cref="Markers"/>.</param>
    /// <param name="final">Nothing follows.</param>
    /// <param name="tools">The tools of the request.</param>
    /// <param name="header">The call.</param>
    internal abstract Match ReadHeader(ReadOnlySpan<char> text, bool final, IReadOnlyList<ChatTool> tools, out CallHeader header);

    /// <summary>What reads the arguments of a call.</summary>
    internal abstract ArgumentsReader Arguments(string name, IReadOnlyList<ChatTool> tools);

    /// <summary>The id of a call.</summary>
    /// <param name="header">The call.</param>
    /// <param name="number">The number of calls before it in the conversation.</param>
    /// <param name="taken">Ids that this output has used already.</param>
    internal virtual string IdOf(CallHeader header, int number, IReadOnlySet<string> taken) =>
        "call_" + System.Security.Cryptography.RandomNumberGenerator.GetString("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 24);

    private protected abstract Grammar CallGrammar(ChatTool tool, Tokenizer tokenizer, int earlierToolCalls);

    private protected abstract Grammar Section(Grammar calls, Tokenizer tokenizer);
}
