namespace Conclave.Text.Tokenization;

/// <summary>The merges of tiktoken: whatever makes a token of the vocabulary; its id is its rank.</summary>
internal sealed class RankMergeTable(Dictionary<string, int> ranks) : MergeTable
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ranks = ranks.GetAlternateLookup<ReadOnlySpan<char>>();
    private readonly int _longest = ranks.Keys.Max(static token => token.Length);

    public override long Find(ReadOnlySpan<char> text, int left, int right) =>
        text.Length <= _longest && _ranks.TryGetValue(text, out int rank) ? PairMergeTable.Value(rank, rank) : None;
}
