using Conclave.Text.Unicode;

namespace Conclave.Text.Patterns;

/// <summary>A parsed pattern.</summary>
internal abstract record PatternNode
{
    /// <summary>One code point of a set.</summary>
    public sealed record Set(CodePointSet Members) : PatternNode;

    /// <summary>All items, one after the other; no items match the empty text.</summary>
    public sealed record Sequence(IReadOnlyList<PatternNode> Items) : PatternNode;

    /// <summary>The first item that lets the rest of the pattern match.</summary>
    public sealed record Choice(IReadOnlyList<PatternNode> Items) : PatternNode;

    /// <summary>The body from Minimum to Maximum times; Maximum is <see cref="Unlimited"/> where there is none.</summary>
    public sealed record Repeat(PatternNode Body, int Minimum, int Maximum, bool Lazy) : PatternNode;

    /// <summary>The body, whose first match is kept whatever follows.</summary>
    public sealed record Atomic(PatternNode Body) : PatternNode;

    /// <summary>Whether the body matches after (or ends before) this place; consumes nothing.</summary>
    public sealed record Look(PatternNode Body, bool Behind, bool Negative) : PatternNode;

    /// <summary>A condition on the place itself.</summary>
    public sealed record Anchor(AnchorKind Kind) : PatternNode;

    public const int Unlimited = int.MaxValue;

    public static PatternNode Nothing { get; } = new Sequence([]);
}

internal enum AnchorKind
{
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    TextEndOrLastNewline,
    WordBoundary,
    NotWordBoundary,
}
