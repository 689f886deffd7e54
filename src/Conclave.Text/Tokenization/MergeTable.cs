namespace Conclave.Text.Tokenization;

/// <summary>Which neighbours may become one token, and which of them first.</summary>
internal abstract class MergeTable
{
    public const long None = long.MaxValue;

    /// <summary>Rank (upper half, lower merges first) and id (lower half) of the token that two neighbours make, or <see cref="None"/>.</summary>
    /// <param name="text">What both stand for.</param>
    /// <param name="left">Id of the left one.</param>
    /// <param name="right">Id of the right one.</param>
    public abstract long Find(ReadOnlySpan<char> text, int left, int right);
}
