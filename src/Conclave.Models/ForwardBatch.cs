using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>Which form of attention computes a position: a property of the request, so that its bits never depend on the batch.</summary>
public enum AttentionForm
{
    /// <summary>Prompt positions.</summary>
    Expanded,

    /// <summary>Generated positions.</summary>
    Absorbed,
}

/// <summary>
/// What one forward step computes: chunks of prompts and single generated tokens of many sequences together. It is filled anew for every step and
/// allocates nothing after its creation.
/// </summary>
public sealed unsafe class ForwardBatch : IDisposable
{
    private readonly NativeBuffer _blockTables;
    private readonly int[] _tokens;
    private readonly int[] _positions;
    private readonly int[] _logitRows;
    private readonly nint[] _cacheRows;
    private readonly AttentionSpan[] _expanded;
    private readonly AttentionSpan[] _absorbed;
    private readonly BlockCopy[] _copies;
    private int _copyCount;
    private int _expandedCount;
    private int _absorbedCount;
    private int _blockCount;

    /// <summary>Creates an empty batch.</summary>
    /// <param name="maxTokens">Most tokens of a step.</param>
    /// <param name="maxSequences">Most sequences of a step; each may have tokens of both forms in it.</param>
    /// <param name="maxBlocks">Most block table entries of all sequences of a step.</param>
    public ForwardBatch(int maxTokens, int maxSequences, int maxBlocks)
    {
        _tokens = new int[maxTokens];
        _positions = new int[maxTokens];
        _logitRows = new int[maxTokens];
        _cacheRows = new nint[maxTokens];
        _expanded = new AttentionSpan[maxSequences];
        _absorbed = new AttentionSpan[maxSequences];
        _copies = new BlockCopy[maxSequences];
        _blockTables = new NativeBuffer((nint)maxBlocks * sizeof(int));
    }

    /// <summary>Number of tokens.</summary>
    public int Count { get; private set; }

    /// <summary>Most tokens that fit.</summary>
    public int MaxTokens => _tokens.Length;

    /// <summary>Token ids by row.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    /// <summary>Position of each row in its sequence.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, Count);

    /// <summary>Row of the cache, counted over all blocks, that each row's latent is written to.</summary>
    public ReadOnlySpan<nint> CacheRows => _cacheRows.AsSpan(0, Count);

    /// <summary>Rows whose logits are wanted.</summary>
    public ReadOnlySpan<int> LogitRows => _logitRows.AsSpan(0, LogitCount);

    /// <summary>Number of rows whose logits are wanted.</summary>
    public int LogitCount { get; private set; }

    /// <summary>Prompt chunks.</summary>
    public ReadOnlySpan<AttentionSpan> Expanded => _expanded.AsSpan(0, _expandedCount);

    /// <summary>Generated tokens.</summary>
    public ReadOnlySpan<AttentionSpan> Absorbed => _absorbed.AsSpan(0, _absorbedCount);

    /// <summary>What is copied in the cache before anything is computed, in this order.</summary>
    public ReadOnlySpan<BlockCopy> Copies => _copies.AsSpan(0, _copyCount);

    /// <summary>Empties the batch.</summary>
    public void Clear()
    {
        Count = 0;
        LogitCount = 0;
        _copyCount = 0;
        _expandedCount = 0;
        _absorbedCount = 0;
        _blockCount = 0;
    }

    /// <summary>Adds a copy of a block, at most one for each sequence.</summary>
    /// <exception cref="ArgumentException">There are as many copies as sequences already.</exception>
    public void Copy(BlockCopy copy)
    {
        if (_copyCount == _copies.Length)
        {
            throw new ArgumentException($"a batch has at most {_copies.Length} copies of blocks", nameof(copy));
        }

        _copies[_copyCount++] = copy;
    }

    /// <summary>Adds consecutive tokens of one sequence.</summary>
    /// <param name="tokens">Token ids, at least one.</param>
    /// <param name="firstPosition">Position of the first; all earlier positions are in the cache already.</param>
    /// <param name="form">How attention computes these positions.</param>
    /// <param name="blockTable">The sequence's cache blocks, enough for all its positions up to the last of these.</param>
    /// <param name="logits">How many of the last rows need logits.</param>
    /// <exception cref="ArgumentException">The tokens do not fit the batch or the block table.</exception>
    public void Add(ReadOnlySpan<int> tokens, int firstPosition, AttentionForm form, ReadOnlySpan<int> blockTable, int logits)
    {
        int blocks = LatentCache.BlocksFor(firstPosition + tokens.Length);
        if (tokens.IsEmpty || tokens.Length > MaxTokens - Count || blocks > blockTable.Length
            || ((nint)_blockCount + blocks) * sizeof(int) > _blockTables.Length || (uint)logits > (uint)tokens.Length
            || (form == AttentionForm.Expanded ? _expandedCount : _absorbedCount) == _expanded.Length)
        {
            throw new ArgumentException(
                $"{tokens.Length} tokens from position {firstPosition} with {blockTable.Length} blocks do not fit a batch that holds {Count} of {MaxTokens}");
        }

        int* table = (int*)_blockTables.Data + _blockCount;
        blockTable[..blocks].CopyTo(new Span<int>(table, blocks));
        _blockCount += blocks;
        AttentionSpan span = new(Count, tokens.Length, firstPosition, (nint)table);
        if (form == AttentionForm.Expanded)
        {
            _expanded[_expandedCount++] = span;
        }
        else
        {
            _absorbed[_absorbedCount++] = span;
        }

        for (int i = 0; i < tokens.Length; i++)
        {
            int position = firstPosition + i;
            (int segment, int row) = Math.DivRem(position, LatentPages.TokensPerBlock);
            _tokens[Count + i] = tokens[i];
            _positions[Count + i] = position;
            _cacheRows[Count + i] = ((nint)table[segment] * LatentPages.TokensPerBlock) + row;
            if (i >= tokens.Length - logits)
            {
                _logitRows[LogitCount++] = Count + i;
            }
        }

        Count += tokens.Length;
    }

    /// <summary>The blocks of a span of a batch that is as it was when it was asked for the span.</summary>
    public static ReadOnlySpan<int> BlockTable(in AttentionSpan span) => new((int*)span.BlockTable, LatentCache.BlocksFor(span.FirstPosition + span.Rows));

    /// <summary>Takes some rows of another batch instead of its own, without their logits; the other must live and stay as it is as long as this is used.</summary>
    internal void TakeRows(ForwardBatch whole, int first, int count)
    {
        Clear();
        whole.Tokens.Slice(first, count).CopyTo(_tokens);
        whole.Positions.Slice(first, count).CopyTo(_positions);
        whole.CacheRows.Slice(first, count).CopyTo(_cacheRows);
        _expandedCount = TakeSpans(whole.Expanded, first, count, _expanded);
        _absorbedCount = TakeSpans(whole.Absorbed, first, count, _absorbed);
        Count = count;
    }

    /// <inheritdoc/>
    public void Dispose() => _blockTables.Dispose();

    private static int TakeSpans(ReadOnlySpan<AttentionSpan> spans, int first, int count, Span<AttentionSpan> taken)
    {
        int number = 0;
        foreach (AttentionSpan span in spans)
        {
            int from = Math.Max(span.FirstRow, first);
            int end = Math.Min(span.FirstRow + span.Rows, first + count);
            if (from < end)
            {
                taken[number++] = new AttentionSpan(from - first, end - from, span.FirstPosition + from - span.FirstRow, span.BlockTable);
            }
        }

        return number;
    }
}
