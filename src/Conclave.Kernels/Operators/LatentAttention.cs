using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>The dimensions of multi-head latent attention (DeepSeek-V2, section 2.1), per head unless said otherwise.</summary>
/// <param name="Heads">Number of query heads.</param>
/// <param name="NopeDim">Part of query and key without position (qk_nope_head_dim).</param>
/// <param name="RopeDim">Rotary part of query and key (qk_rope_head_dim); the key's is one for all heads.</param>
/// <param name="ValueDim">Value (v_head_dim).</param>
/// <param name="LatentDim">Compressed key-value latent, one for all heads (kv_lora_rank).</param>
/// <param name="Scale">What scores are multiplied by before the softmax.</param>
public readonly record struct LatentAttentionShape(int Heads, int NopeDim, int RopeDim, int ValueDim, int LatentDim, float Scale)
{
    /// <summary>Elements of a query head: its part without position, then its rotary part.</summary>
    public int QueryDim => NopeDim + RopeDim;

    /// <summary>Elements that the cache holds for a token: the normalized latent, then the rotated key.</summary>
    public int CacheDim => LatentDim + RopeDim;

    /// <summary>Rows of kv_b_proj that belong to one head: NopeDim rows W^UK, then ValueDim rows W^UV.</summary>
    public int HeadRows => NopeDim + ValueDim;
}

/// <summary>
/// One layer of the paged latent cache as attention reads it: blocks of <see cref="TokensPerBlock"/> tokens, each token
/// <see cref="LatentAttentionShape.CacheDim"/> contiguous elements.
/// </summary>
public readonly unsafe struct LatentPages
{
    /// <summary>Tokens of a block, and the width of the fixed context segments in which attention is summed.</summary>
    public const int TokensPerBlock = 64;

    /// <summary>Views one layer of a cache.</summary>
    public LatentPages(byte* data, ElementFormat format, int cacheDim, int blocks)
    {
        Data = data;
        Format = format;
        CacheDim = cacheDim;
        Blocks = blocks;
    }

    /// <summary>The first byte of block 0.</summary>
    public byte* Data { get; }

    /// <summary>F32 or BF16.</summary>
    public ElementFormat Format { get; }

    /// <summary>Elements of a token.</summary>
    public int CacheDim { get; }

    /// <summary>Number of blocks.</summary>
    public int Blocks { get; }

    /// <summary>The first element of a token, by its row counted over all blocks.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The cache has no such row.</exception>
    public byte* TokenPointer(nint row)
    {
        (nint block, nint token) = Math.DivRem(row, TokensPerBlock);
        return Block(checked((int)block)).RowPointer(token);
    }

    /// <summary>The tokens of one block: [TokensPerBlock, CacheDim].</summary>
    /// <exception cref="ArgumentOutOfRangeException">The cache has no such block.</exception>
    public TensorView Block(int block)
    {
        if ((uint)block >= (uint)Blocks)
        {
            throw new ArgumentOutOfRangeException(nameof(block), block, $"the cache has {Blocks} blocks");
        }

        nint blockBytes = (nint)TokensPerBlock * CacheDim * Format.Size();
        return new TensorView(Data + (block * blockBytes), Format, TokensPerBlock, CacheDim);
    }
}

/// <summary>
/// Consecutive query rows of one sequence. Row i stands at position FirstPosition + i and attends to the positions 0 … FirstPosition + i, which the
/// cache holds already: token t of the sequence lies in block BlockTable[t / 64] at row t % 64.
/// </summary>
/// <param name="FirstRow">The first row of the query matrix.</param>
/// <param name="Rows">How many rows.</param>
/// <param name="FirstPosition">Position of the first row in its sequence.</param>
/// <param name="BlockTable">The sequence's blocks; at least ⌈(FirstPosition + Rows) ÷ 64⌉ entries that live as long as the call.</param>
public readonly unsafe record struct AttentionSpan(int FirstRow, int Rows, int FirstPosition, nint BlockTable)
{
    /// <summary>Block of the cache that holds segment <paramref name="segment"/> of the sequence.</summary>
    public int Block(int segment) => ((int*)BlockTable)[segment];
}

/// <summary>
/// Multi-head latent attention over the paged cache, in one of its two forms. With c_t the cached latent and r_t the cached rotated key of token t,
/// q = [q^C; q^R] the query of a head and W^UK, W^UV that head's rows of kv_b_proj:
/// <para>expanded: score_t = (q^C · (W^UK c_t) + q^R · r_t) · Scale, output = Σ_t softmax(score)_t · (W^UV c_t);</para>
/// <para>absorbed: score_t = ((W^UKᵀ q^C) · c_t + q^R · r_t) · Scale, output = W^UV · Σ_t softmax(score)_t · c_t.</para>
/// They are equal in exact arithmetic (DeepSeek-V2, section 2.1.2: W^UK is absorbed into W^Q, W^UV into W^O). The context is summed in fixed segments of
/// 64 positions counted from 0, combined in order (in the absorbed form eight of them before they join the ones before), so the result of a row depends on its own query and context only, never on the other rows, on
/// how a prompt was cut, or on threads.
/// </summary>
public abstract class LatentAttention
{
    /// <summary>Computes attention for all spans.</summary>
    /// <param name="shape">Dimensions.</param>
    /// <param name="query">[T, Heads · QueryDim] F32, rotary parts already turned.</param>
    /// <param name="expansion">kv_b_proj [Heads · HeadRows, LatentDim] in a weight format.</param>
    /// <param name="pages">The layer's cache, holding every position that is attended to.</param>
    /// <param name="spans">Which rows belong to which sequence.</param>
    /// <param name="output">[T, Heads · ValueDim] F32; rows in no span are left alone.</param>
    /// <param name="team">Who computes.</param>
    /// <exception cref="ArgumentException">The shapes or formats do not fit, or a span has rows beyond the queries or a block beyond the cache.</exception>
    public abstract void Run(
        in LatentAttentionShape shape,
        TensorView query,
        TensorView expansion,
        in LatentPages pages,
        ReadOnlySpan<AttentionSpan> spans,
        TensorView output,
        WorkerTeam team);
}
