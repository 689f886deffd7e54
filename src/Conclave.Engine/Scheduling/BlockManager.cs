using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Engine.Scheduling;

/// <summary>
/// Which sequence holds which blocks of the paged latent cache, and which blocks hold prefixes that others may reuse: ids, hashes and counts, no bytes.
/// A full block is registered under the hash of its tokens and of all before them, and how all these positions were computed (the form of attention is part of the
/// bits). Blocks that nobody refers to keep their content until they are needed; the least recently used one goes first. A registered block's
/// predecessors are registered too. Every operation takes time in proportion to the blocks it touches, allocates nothing, and depends on nothing but
/// the operations before it. For one thread.
/// </summary>
public sealed class BlockManager
{
    private readonly BlockPool _pool;
    private readonly PrefixReuse _reuse;

    /// <summary>Creates a manager of free blocks.</summary>
    /// <param name="blocks">Number of blocks.</param>
    /// <param name="tokensPerBlock">Tokens of a block.</param>
    /// <param name="reuse">What a sequence may find in the prefix cache.</param>
    public BlockManager(int blocks, int tokensPerBlock, PrefixReuse reuse = PrefixReuse.All)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocks);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tokensPerBlock);
        Total = blocks;
        TokensPerBlock = tokensPerBlock;
        _pool = new BlockPool(blocks);
        _reuse = reuse;
    }

    /// <summary>Number of blocks.</summary>
    public int Total { get; }

    /// <summary>Tokens of a block.</summary>
    public int TokensPerBlock { get; }

    /// <summary>Blocks that no sequence refers to; they may hold reusable prefixes.</summary>
    public int Available => _pool.Available;

    /// <summary>Blocks that so many tokens take.</summary>
    public int BlocksFor(int tokens) => (int)(((long)tokens + TokensPerBlock - 1) / TokensPerBlock);

    /// <summary>Makes sure that a sequence could be computed to its end if it were alone.</summary>
    /// <exception cref="UserErrorException">It needs more blocks than there are.</exception>
    public void CheckFits(Sequence sequence)
    {
        int needed = MostBlocks(sequence);
        if (needed > Total)
        {
            throw new UserErrorException(
                $"a prompt of {sequence.PromptLength} tokens and an answer of up to {sequence.Capacity - sequence.PromptLength} need {needed} blocks of "
                + $"{TokensPerBlock} tokens, the cache has {Total}; shorten the prompt, ask for fewer tokens, or give the cache more memory");
        }
    }

    /// <summary>How many more blocks a running sequence will take soon: for the tokens that it has, and one to go on if its answer may become so long.</summary>
    public int CountPromised(Sequence sequence)
    {
        int blocks = BlocksFor(sequence.Count);
        return blocks - sequence.BlockCount + (MostBlocks(sequence) > blocks ? 1 : 0);
    }

    /// <summary>How many blocks another sample of a sequence will take soon after the prompt: a copy of its last block, and one to go on if its answer may become so long.</summary>
    public int CountForFork(Sequence sequence)
    {
        int copy = sequence.Count % TokensPerBlock != 0 && sequence.MostPositions > sequence.Count ? 1 : 0;
        return copy + (MostBlocks(sequence) > BlocksFor(sequence.Count) ? 1 : 0);
    }

    /// <summary>How many available blocks a waiting sequence would take for all of its tokens: all but those that other sequences hold already.</summary>
    public int CountNeeded(Sequence sequence)
    {
        int needed = BlocksFor(sequence.Count);
        PrefixWalk prefix = new(this, sequence);
        while (prefix.TryNext(out int block))
        {
            needed -= _pool.References(block) > 0 ? 1 : 0;
        }

        return needed;
    }

    /// <summary>How many tokens of a sequence without blocks the cache holds: what <see cref="AttachPrefix"/> would give it now.</summary>
    public int CountCached(Sequence sequence)
    {
        int tokens = 0;
        PrefixWalk prefix = new(this, sequence);
        while (prefix.TryNext(out _))
        {
            tokens += TokensPerBlock;
        }

        return tokens;
    }

    /// <summary>Gives a sequence without blocks the longest prefix that the cache holds. At least its last token is left to be computed.</summary>
    /// <returns>Tokens that need not be computed.</returns>
    /// <exception cref="InvalidOperationException">The sequence has blocks.</exception>
    public int AttachPrefix(Sequence sequence)
    {
        if (sequence.BlockCount != 0)
        {
            throw new InvalidOperationException($"the sequence has {sequence.BlockCount} blocks already");
        }

        PrefixWalk prefix = new(this, sequence);
        while (prefix.TryNext(out int block))
        {
            _pool.Refer(block);
            sequence.BlockTable[prefix.Count - 1] = block;
        }

        (sequence.BlockCount, sequence.RegisteredBlocks, sequence.FormChain) = (prefix.Count, prefix.Count, prefix.Form);
        sequence.Computed = prefix.Count * TokensPerBlock;
        return sequence.Computed;
    }

    /// <summary>Gives a sequence blocks for its next tokens. A block that these will write to and that a fork shares is replaced by a copy.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="tokens">Tokens that are to be computed next.</param>
    /// <param name="copies">Takes the copy that must be made before the tokens are computed, if there is one.</param>
    /// <returns>False where too few blocks are available; then nothing has changed.</returns>
    public bool TryGrow(Sequence sequence, int tokens, ICollection<BlockCopy> copies)
    {
        int[] table = sequence.BlockTable;
        (int current, int partial) = Math.DivRem(sequence.Computed, TokensPerBlock);
        bool copy = partial != 0 && _pool.References(table[current]) > 1;
        int target = Math.Max(BlocksFor(sequence.Computed + tokens), sequence.BlockCount);
        if (target - sequence.BlockCount + (copy ? 1 : 0) > Available)
        {
            return false;
        }

        if (copy)
        {
            int shared = table[current];
            table[current] = _pool.Take();
            _pool.Dismiss(shared);
            copies.Add(new BlockCopy(shared, table[current]));
        }

        while (sequence.BlockCount < target)
        {
            table[sequence.BlockCount++] = _pool.Take();
        }

        return true;
    }

    /// <summary>
    /// Enters a sequence's blocks that are fully computed into the prefix cache. Where another sequence has computed the same block in the same way, the
    /// bits are the same too, and the sequence goes on with that one.
    /// </summary>
    public void Register(Sequence sequence)
    {
        if (_reuse == PrefixReuse.None)
        {
            return;
        }

        for (int i = sequence.RegisteredBlocks; i < sequence.Computed / TokensPerBlock; i++)
        {
            int block = sequence.BlockTable[i];
            if (TryFind(sequence, i, sequence.FormChain, fewer: false, out int twin))
            {
                _pool.Refer(twin);
                sequence.BlockTable[i] = twin;
                _pool.Dismiss(block);
            }
            else
            {
                _pool.Register(block, sequence.Hash(i), sequence.FormChain, sequence.ExpandedIn(i));
            }

            sequence.FormChain = NextForm(sequence.FormChain, sequence.ExpandedIn(i));
            sequence.RegisteredBlocks++;
        }
    }

    /// <summary>Lets a second sequence with the same tokens share all blocks of the first.</summary>
    public void Share(Sequence parent, Sequence child)
    {
        foreach (int block in parent.Blocks)
        {
            _pool.Refer(block);
        }

        parent.Blocks.CopyTo(child.BlockTable);
        (child.BlockCount, child.RegisteredBlocks, child.FormChain) = (parent.BlockCount, parent.RegisteredBlocks, parent.FormChain);
        child.Computed = parent.Computed;
    }

    /// <summary>Takes all blocks from a sequence. Registered ones keep their content; the last positions will be the first to go.</summary>
    public void Release(Sequence sequence)
    {
        for (int i = sequence.BlockCount - 1; i >= 0; i--)
        {
            _pool.Dismiss(sequence.BlockTable[i]);
        }

        (sequence.BlockCount, sequence.RegisteredBlocks, sequence.FormChain) = (0, 0, 0);
        sequence.Computed = 0;
    }

    /// <summary>Whether a prefix is looked for at all.</summary>
    internal bool MayReuse(Sequence sequence) => !sequence.NeedsPromptLogits && _reuse != PrefixReuse.None;

    /// <summary>How often a block is referred to.</summary>
    internal int References(int block) => _pool.References(block);

    // Hashes of tokens say nothing of forms, so that they are computed once for each sequence; this chain tells apart what was computed in other ways.
    private static ulong NextForm(ulong parent, int expanded) => SplitMix64.At(parent, (ulong)expanded);

    private int MostBlocks(Sequence sequence) => BlocksFor(sequence.MostPositions);

    private int Reusable(Sequence sequence) => MayReuse(sequence) ? (sequence.Count - 1) / TokensPerBlock : 0;

    private bool TryFind(Sequence sequence, int index, ulong form, bool fewer, out int block) =>
        _pool.TryFind(sequence.Hash(index), form, sequence.ExpandedIn(index), fewer, out block);

    /// <summary>The blocks that the cache holds of a sequence's beginning, one after the other.</summary>
    private struct PrefixWalk(BlockManager manager, Sequence sequence)
    {
        private readonly int _reusable = manager.Reusable(sequence);

        /// <summary>Blocks found so far.</summary>
        public int Count { get; private set; }

        /// <summary>How their positions were computed, all the way from the first.</summary>
        public ulong Form { get; private set; }

        public bool TryNext(out int block)
        {
            block = -1;
            if (Count == _reusable || !manager.TryFind(sequence, Count, Form, manager._reuse == PrefixReuse.All, out block))
            {
                return false;
            }

            Form = NextForm(Form, manager._pool.Expanded(block));
            Count++;
            return true;
        }
    }
}
