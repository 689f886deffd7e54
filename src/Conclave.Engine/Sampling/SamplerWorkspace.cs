namespace Conclave.Engine;

/// <summary>
/// The memory in which tokens are chosen, sized for a vocabulary. Its content lives for one call only, so that one workspace serves all
/// requests of an engine thread; two threads need two.
/// </summary>
public sealed class SamplerWorkspace
{
    /// <summary>Allocates for a vocabulary of that size.</summary>
    public SamplerWorkspace(int vocabularySize)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        VocabularySize = vocabularySize;
        Scores = new float[vocabularySize];
        Weights = new float[vocabularySize];
        Tokens = new int[vocabularySize];
    }

    /// <summary>Number of logits.</summary>
    public int VocabularySize { get; }

    internal float[] Scores { get; }

    internal float[] Weights { get; }

    internal int[] Tokens { get; }

    internal RadixThreshold Threshold { get; } = new();
}
