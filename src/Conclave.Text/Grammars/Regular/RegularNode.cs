using Conclave.Text.Unicode;

namespace Conclave.Text.Grammars;

/// <summary>A regular expression over code points.</summary>
internal abstract record RegularNode
{
    /// <summary>Matches the empty text.</summary>
    public static RegularNode Empty { get; } = new Sequence([]);

    /// <summary>One code point out of a set.</summary>
    internal sealed record Set(CodePointSet Points) : RegularNode;

    /// <summary>One after the other.</summary>
    internal sealed record Sequence(IReadOnlyList<RegularNode> Items) : RegularNode;

    /// <summary>Any one of them.</summary>
    internal sealed record Choice(IReadOnlyList<RegularNode> Branches) : RegularNode;

    /// <summary>From <see cref="Min"/> to <see cref="Max"/> times; -1 for no upper limit.</summary>
    internal sealed record Repeat(RegularNode Item, int Min, int Max) : RegularNode;

    /// <summary>The beginning of the text or its end. <see cref="EcmaPatternReader"/> leaves none in what it reads.</summary>
    internal sealed record Anchor(bool End, int At) : RegularNode;
}
