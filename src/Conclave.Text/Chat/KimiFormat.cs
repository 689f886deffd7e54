using System.Globalization;
using Conclave.Text.Grammars;

namespace Conclave.Text.Chat;

/// <summary>Kimi K2's format.</summary>
internal sealed class KimiFormat : ToolCallFormat
{
    public const string ArgumentBegin = "<|tool_call_argument_begin|>";
    private const string SectionBegin = "<|tool_calls_section_begin|>";
    private const string SectionEnd = "<|tool_calls_section_end|>";

    // K2 at times spells the markers of a section like those of a call.
    private const string OtherSectionBegin = "<|tool_call_section_begin|>";
    private const string OtherSectionEnd = "<|tool_call_section_end|>";
    private const string CallBegin = "<|tool_call_begin|>";
    private const string CallEnd = "<|tool_call_end|>";
    private const string Prefix = "functions.";

    // functions.NAME:NUMBER
    private const int MaxId = 10 + TextScan.MaxName + 11;

    /// <inheritdoc/>
    public override bool SortsDefinitions => true;

    /// <inheritdoc/>
    internal override string[] Markers { get; } = [SectionBegin, OtherSectionBegin, CallBegin, SectionEnd, OtherSectionEnd];

    /// <inheritdoc/>
    internal override string[] SectionEnds { get; } = [SectionEnd, OtherSectionEnd];

    /// <inheritdoc/>
    internal override string[] ReasoningEnds { get; } = [SectionBegin, OtherSectionBegin];

    /// <inheritdoc/>
    internal override Match ReadHeader(ReadOnlySpan<char> text, bool final, IReadOnlyList<ChatTool> tools, out CallHeader header)
    {
        header = default;
        int at = text.StartsWith(SectionBegin) ? SectionBegin.Length : text.StartsWith(OtherSectionBegin) ? OtherSectionBegin.Length : 0;
        Match match = TextScan.Skip(text, ref at, CallBegin, final);
        if (match != Match.Yes)
        {
            return match;
        }

        ReadOnlySpan<char> rest = text[at..];
        int end = rest[..Math.Min(rest.Length, MaxId + ArgumentBegin.Length)].IndexOf(ArgumentBegin);
        if (end < 0)
        {
            return final || rest.Length >= MaxId + ArgumentBegin.Length ? Match.No : Match.Undecided;
        }

        ReadOnlySpan<char> id = rest[..end].Trim();
        ReadOnlySpan<char> name = id.StartsWith(Prefix) ? id[Prefix.Length..] : id;
        int colon = name.LastIndexOf(':');
        bool numbered = colon > 0 && colon + 1 < name.Length && !name[(colon + 1)..].ContainsAnyExceptInRange('0', '9');
        name = numbered ? name[..colon] : name;
        bool own = numbered && id.StartsWith(Prefix);
        name = !IsTool(name, tools) && IsTool(WithoutSigns(id), tools) ? WithoutSigns(id) : name;
        header = new CallHeader(at + end + ArgumentBegin.Length, name.ToString(), own ? id.ToString() : null);
        return TextScan.IsName(name) ? Match.Yes : Match.No;
    }

    /// <inheritdoc/>
    internal override ArgumentsReader Arguments(string name, IReadOnlyList<ChatTool> tools) => new JsonArguments([CallEnd, .. SectionEnds], CallBegin);

    /// <inheritdoc/>
    internal override string IdOf(CallHeader header, int number, IReadOnlySet<string> taken)
    {
        string? id = header.Id;
        while (id is null || taken.Contains(id))
        {
            id = string.Create(CultureInfo.InvariantCulture, $"{Prefix}{header.Name}:{number++}");
        }

        return id;
    }

    /// <inheritdoc/>
    public override string IdInConversation(string name, string? given, int number, IReadOnlySet<string> taken)
    {
        string stem = $"{Prefix}{name}:";
        bool own = given is not null && given.Length > stem.Length && given.StartsWith(stem, StringComparison.Ordinal) && !given.AsSpan(stem.Length).ContainsAnyExceptInRange('0', '9');
        return own ? given! : IdOf(new CallHeader(0, name), number, taken);
    }

    /// <inheritdoc/>
    public override bool NumbersCalls => true;

    private protected override Grammar CallGrammar(ChatTool tool, Tokenizer tokenizer, int earlierToolCalls) => Grammar.Sequence(
        Grammar.Literal($"{CallBegin}{Prefix}{tool.Name}:", tokenizer),
        ToolGrammar.IntegerFrom(earlierToolCalls),
        Grammar.Literal(ArgumentBegin, tokenizer),
        ToolGrammar.FromParameters(tool.Parameters),
        Grammar.Literal(CallEnd, tokenizer));

    private static bool IsTool(ReadOnlySpan<char> name, IReadOnlyList<ChatTool> tools)
    {
        foreach (ChatTool tool in tools)
        {
            if (name.SequenceEqual(tool.Name))
            {
                return true;
            }
        }

        return false;
    }

    // Clients return ids without the signs that other models' have not, and K2 goes on in that way: functions_NAME_NUMBER, functionsNAMENUMBER.
    private static ReadOnlySpan<char> WithoutSigns(ReadOnlySpan<char> id)
    {
        const string Word = "functions";
        ReadOnlySpan<char> name = id.StartsWith(Word) ? id[Word.Length..] : id;
        name = name is ['.' or '_', ..] && name.Length < id.Length ? name[1..] : name;
        ReadOnlySpan<char> unnumbered = name.TrimEnd("0123456789");
        return unnumbered.Length == name.Length ? name : unnumbered is [.., ':' or '_'] ? unnumbered[..^1] : unnumbered;
    }

    /// <inheritdoc/>
    private protected override Grammar Section(Grammar calls, Tokenizer tokenizer) =>
        Grammar.Sequence(Grammar.Literal(SectionBegin, tokenizer), calls, Grammar.Literal(SectionEnd, tokenizer));
}
