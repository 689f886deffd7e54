namespace Conclave.Text.Tokenization;

/// <summary>The merges of a tokenizer.json: a list of pairs of tokens; the earlier one merges first.</summary>
internal sealed class PairMergeTable(Dictionary<ulong, long> merges) : MergeTable
{
    public static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    public static long Value(int rank, int id) => ((long)rank << 32) | (uint)id;

    public override long Find(ReadOnlySpan<char> text, int left, int right) =>
        merges.TryGetValue(Key(left, right), out long value) ? value : None;
}
