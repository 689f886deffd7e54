namespace Conclave.Text.Grammars;

/// <summary>What a grammar says, before it is compiled.</summary>
internal abstract record GrammarNode
{
    /// <summary>Exactly these bytes.</summary>
    internal sealed record Bytes(byte[] Value) : GrammarNode;

    /// <summary>Exactly this token, whatever its bytes are.</summary>
    internal sealed record Token(int Id) : GrammarNode;

    /// <summary>A regular part.</summary>
    internal sealed record Regular(ByteDfa Automaton) : GrammarNode;

    /// <summary>A rule, possibly the one that this node is part of.</summary>
    internal sealed record Call(GrammarRule Rule) : GrammarNode;

    /// <summary>One after the other.</summary>
    internal sealed record Sequence(params IReadOnlyList<GrammarNode> Items) : GrammarNode;

    /// <summary>Any one of them.</summary>
    internal sealed record Choice(params IReadOnlyList<GrammarNode> Branches) : GrammarNode;

    /// <summary>Items with a separator between them; -1 for no upper limit.</summary>
    internal sealed record Separated(GrammarNode Item, GrammarNode Separator, int Min, int Max) : GrammarNode;

    /// <summary>One item behind the other, each of which takes at least one byte; -1 for no upper limit.</summary>
    internal sealed record Counted(GrammarRule Item, int Min, int Max) : GrammarNode;

    /// <summary>Inside one more pair of brackets of a document.</summary>
    internal sealed record Nested(GrammarNode Content) : GrammarNode;

    /// <summary>Members in their order with a separator between them, then any number of <see cref="Rest"/>; the trailer follows unless there was none.</summary>
    internal sealed record Members(IReadOnlyList<Member> Items, GrammarNode? Rest, GrammarNode Separator, GrammarNode Trailer) : GrammarNode;

    /// <summary>One member, name and value.</summary>
    internal sealed record Member(GrammarNode Content, bool Required);
}
