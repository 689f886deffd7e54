namespace Conclave.Text.Tokenization.PreTokenizers;

/// <summary>What becomes of the matches of a Split.</summary>
internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}
