using System.Text;

namespace Conclave.Text.Grammars;

/// <summary>
/// The rules of JSON that all schemas share. White space is bounded, so that nothing can be generated for ever: behind an opening bracket,
/// before a closing one and behind a comma stands nothing, one space, or a line break and at most 64 spaces or 16 tabs; behind a colon
/// nothing or one space; nowhere else any.
/// </summary>
internal static class JsonGrammar
{
    private const string Character = $$"""[^"\\\x00-\x1F]|\\(["\\/bfnrt]|u({{NotSurrogate}}|{{SurrogatePair}}))""";
    private const string NotSurrogate = "[0-9A-Ca-cE-Fe-f][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2}";
    private const string SurrogatePair = @"[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}";

    private static readonly GrammarNode OpenBrace = Text("{");
    private static readonly GrammarNode CloseBrace = Text("}");
    private static readonly GrammarNode OpenBracket = Text("[");
    private static readonly GrammarNode CloseBracket = Text("]");

    /// <summary>White space behind brackets and commas.</summary>
    public static GrammarNode Space { get; } = Rule("white space", RegularParts.Raw(@"( |\n( {0,64}|\t{1,16}))?"));

    /// <summary>Behind the name of a member.</summary>
    public static GrammarNode Colon { get; } = new GrammarNode.Regular(RegularParts.Raw(": ?"));

    /// <summary>Between members or elements.</summary>
    public static GrammarNode Comma { get; } = new GrammarNode.Sequence(Text(","), Space);

    /// <summary>Any string that is valid Unicode, with any escapes.</summary>
    public static GrammarNode String { get; } =
        Rule("a string", RegularParts.Raw($$"""
            "({{Character}})*"
            """));

    /// <summary>A number that a double holds: at most 19 digits before the point, 25 behind it, an exponent below 280.</summary>
    public static GrammarNode Number { get; } =
        Rule("a number", RegularParts.Raw(@"-?(0|[1-9]\d{0,18})(\.\d{1,25})?([eE](\+?(0?\d{1,2}|1\d\d|2[0-7]\d)|-(0?\d{1,2}|1\d\d|2[0-7]\d)))?"));

    /// <summary>true or false.</summary>
    public static GrammarNode Boolean { get; } = new GrammarNode.Choice(Text("true"), Text("false"));

    /// <summary>null.</summary>
    public static GrammarNode Null { get; } = Text("null");

    private static readonly GrammarRule OneCharacter = new("a character") { Body = new GrammarNode.Regular(RegularParts.Raw(Character)) };

    /// <summary>Any value.</summary>
    public static GrammarNode Value { get; } = AnyValue();

    /// <summary>Any object.</summary>
    public static GrammarNode AnyObject { get; } = Object([], new GrammarNode.Sequence(String, Colon, Value));

    /// <summary>A rule for a regular part, so that it is compiled once and its masks are shared.</summary>
    public static GrammarNode Rule(string name, ByteDfa automaton) =>
        new GrammarNode.Call(new GrammarRule(name) { Body = new GrammarNode.Regular(automaton) });

    /// <summary>A string of so many code points, with any escapes; -1 for no upper limit.</summary>
    public static GrammarNode StringOf(int min, int max) =>
        new GrammarNode.Call(new GrammarRule("a string of limited length")
        {
            Body = new GrammarNode.Sequence(Text("\""), new GrammarNode.Counted(OneCharacter, min, max), Text("\"")),
        });

    /// <summary>Exactly this text.</summary>
    public static GrammarNode Text(string text) => new GrammarNode.Bytes(Encoding.UTF8.GetBytes(text));

    /// <summary>An object of members in their order and then any number of others.</summary>
    public static GrammarNode Object(IReadOnlyList<GrammarNode.Member> members, GrammarNode? rest) =>
        new GrammarNode.Sequence(
            OpenBrace,
            new GrammarNode.Nested(new GrammarNode.Sequence(Space, new GrammarNode.Members(members, rest, Comma, Space))),
            CloseBrace);

    /// <summary>An array of so many items; -1 for no upper limit.</summary>
    public static GrammarNode Array(GrammarNode item, int min, int max)
    {
        GrammarNode none = new GrammarNode.Sequence();
        GrammarNode some = new GrammarNode.Sequence(new GrammarNode.Separated(item, Comma, Math.Max(min, 1), max), Space);
        return Brackets(max == 0 ? none : min == 0 ? new GrammarNode.Choice(none, some) : some);
    }

    /// <summary>An array of just these items.</summary>
    public static GrammarNode Tuple(IReadOnlyList<GrammarNode> items) => Brackets(
        items.Count == 0 ? new GrammarNode.Sequence() : new GrammarNode.Sequence([items[0], .. items.Skip(1).SelectMany(static item => (GrammarNode[])[Comma, item]), Space]));

    private static GrammarNode.Sequence Brackets(GrammarNode content) =>
        new(OpenBracket, new GrammarNode.Nested(new GrammarNode.Sequence(Space, content)), CloseBracket);

    private static GrammarNode.Call AnyValue()
    {
        GrammarRule rule = new("a value");
        GrammarNode.Call value = new(rule);
        rule.Body = new GrammarNode.Choice(
            String, Number, Boolean, Null, Array(value, 0, -1), Object([], new GrammarNode.Sequence(String, Colon, value)));
        return value;
    }
}
