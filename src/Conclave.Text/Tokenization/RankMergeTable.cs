namespace Conclave.Text.Tokenization;

/// <summary>The merges of tiktoken: whatever makes a token of the vocabulary; its id is its rank.</summary>
internal sealed class RankMergeTable(TokenTable ranks) : MergeTable
{
    public override long Find(ReadOnlySpan<char> text, int left, int right) =>
        text.Length <= ranks.Longest && ranks.TryGetValue(text, out int rank) ? PairMergeTable.Value(rank, rank) : None;
}
