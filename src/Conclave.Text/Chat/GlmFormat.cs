using Conclave.Text.Grammars;

namespace Conclave.Text.Chat;

/// <summary>GLM's format.</summary>
/// <param name="between">What its grammar writes between the parts of a call.</param>
internal sealed class GlmFormat(string between) : ToolCallFormat
{
    public const string KeyBegin = "<arg_key>";
    public const string KeyEnd = "</arg_key>";
    public const string ValueBegin = "<arg_value>";
    public const string ValueEnd = "</arg_value>";
    public const string CallEnd = "</tool_call>";
    private const string CallBegin = "<tool_call>";

    /// <inheritdoc/>
    internal override string[] Markers { get; } = [CallBegin];

    /// <inheritdoc/>
    internal override string[] SectionEnds { get; } = [];

    /// <inheritdoc/>
    internal override string[] ReasoningEnds { get; } = [CallBegin];

    /// <inheritdoc/>
    internal override Match ReadHeader(ReadOnlySpan<char> text, bool final, IReadOnlyList<ChatTool> tools, out CallHeader header)
    {
        header = default;
        int at = CallBegin.Length;
        Match match = TextScan.SkipSpace(text, ref at, final);
        if (match != Match.Yes)
        {
            return match;
        }

        int length = TextScan.NameLength(text[at..]);

        if (at + length == text.Length && !final)
        {
            return Match.Undecided;
        }

        // Only what an argument or the end follows is a call.
        ReadOnlySpan<char> name = text.Slice(at, length);
        at += length;
        match = TextScan.SkipSpace(text, ref at, final);
        if (match != Match.Yes || !TextScan.IsName(name))
        {
            return TextScan.IsName(name) ? match : Match.No;
        }

        header = new CallHeader(at, name.ToString());
        return TextScan.Find(text[at..], [KeyBegin, CallEnd], final) is (0, int which) && at < text.Length ? (which >= 0 ? Match.Yes : Match.Undecided) : Match.No;
    }

    /// <inheritdoc/>
    internal override ArgumentsReader Arguments(string name, IReadOnlyList<ChatTool> tools) =>
        new GlmArguments(tools.FirstOrDefault(tool => tool.Name == name)?.Parameters);

    /// <inheritdoc/>
    private protected override Grammar CallGrammar(ChatTool tool, Tokenizer tokenizer, int earlierToolCalls) => Grammar.Sequence(
        Grammar.Literal(CallBegin + tool.Name + between, tokenizer),
        ToolGrammar.FromTaggedParameters(
            tool.Parameters,
            name => (Grammar.Literal($"{KeyBegin}{name}{KeyEnd}{between}{ValueBegin}", tokenizer), Grammar.Literal(ValueEnd + between, tokenizer)),
            ValueEnd),
        Grammar.Literal(CallEnd, tokenizer));

    /// <inheritdoc/>
    private protected override Grammar Section(Grammar calls, Tokenizer tokenizer) => calls;
}
