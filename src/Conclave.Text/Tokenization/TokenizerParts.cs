using Conclave.Text.Tokenization.Normalizers;
using Conclave.Text.Tokenization.PreTokenizers;

namespace Conclave.Text.Tokenization;

/// <summary>What a file of either kind says; <see cref="Tokenizer"/> puts it together.</summary>
internal sealed record TokenizerParts
{
    public required Vocabulary Vocabulary { get; init; }

    public required BytePairModel Model { get; init; }

    public required IReadOnlyList<AddedToken> Added { get; init; }

    public required PreTokenizer[] PreTokenizers { get; init; }

    public Normalizer? Normalizer { get; init; }

    /// <summary>Ids in front of a text when special tokens are added.</summary>
    public int[] Before { get; init; } = [];

    /// <summary>Ids behind a text when special tokens are added.</summary>
    public int[] After { get; init; } = [];

    /// <summary>Without a decoder the reference joins tokens with spaces.</summary>
    public bool SpacesBetweenTokens { get; init; }

    /// <summary>
    /// As Moonshot's tokenizer does: long texts are cut beforehand, and where special tokens are not recognized no added token is.
    /// </summary>
    public bool Moonshot { get; init; }
}
