using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Engine.Scheduling;

/// <summary>
/// One answer in the making: its tokens, how many of them are computed, and the cache blocks that hold them. A request with n samples starts as one sequence
/// and is forked when its prompt is computed. All memory that it will ever need is taken when it is created.
/// </summary>
public sealed class Sequence
{
    private readonly int[] _tokens;
    private readonly int[] _blocks;
    private readonly UInt128[] _hashes;
    private readonly int _tokensPerBlock;

    /// <summary>Creates a waiting sequence. This hashes the prompt, so it is best done outside of the engine's thread.</summary>
    /// <param name="prompt">At least one token.</param>
    /// <param name="maxNewTokens">Most tokens that will be generated; 0: the prompt is computed, and no more.</param>
    /// <param name="tokensPerBlock">Tokens of a cache block, as the <see cref="BlockManager"/> has it.</param>
    /// <exception cref="UserErrorException">The prompt is empty, or fewer than none or 2^31 tokens in all are asked for.</exception>
    public Sequence(ReadOnlySpan<int> prompt, int maxNewTokens, int tokensPerBlock = LatentPages.TokensPerBlock)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tokensPerBlock);
        if (prompt.IsEmpty)
        {
            throw new UserErrorException("the prompt has no tokens; give at least one");
        }

        if (maxNewTokens < 0 || maxNewTokens > Array.MaxLength - prompt.Length)
        {
            throw new UserErrorException($"{maxNewTokens} tokens were asked after a prompt of {prompt.Length}; ask for at least 0 and for less than 2^31 in all");
        }

        _tokensPerBlock = tokensPerBlock;
        PromptLength = prompt.Length;
        _tokens = new int[prompt.Length + maxNewTokens];
        _hashes = new UInt128[_tokens.Length / tokensPerBlock];
        _blocks = new int[((_tokens.Length - 1) / tokensPerBlock) + 1];
        for (int done = 0; done < prompt.Length; done += tokensPerBlock)
        {
            ReadOnlySpan<int> part = prompt.Slice(done, Math.Min(tokensPerBlock, prompt.Length - done));
            part.CopyTo(_tokens.AsSpan(done));
            Count = done + part.Length;
            HashLastBlock();
        }
    }

    private Sequence(Sequence parent)
    {
        _tokensPerBlock = parent._tokensPerBlock;
        PromptLength = parent.PromptLength;
        Priority = parent.Priority;
        Count = parent.Count;
        ReusedTokens = parent.ReusedTokens;
        _tokens = [.. parent._tokens];
        _hashes = [.. parent._hashes];
        _blocks = new int[parent._blocks.Length];
    }

    /// <summary>Lower values are served first.</summary>
    public int Priority { get; init; }

    /// <summary>How many answers the prompt will have: this sequence and its forks.</summary>
    public int Samples { get; init; } = 1;

    /// <summary>Whether every position of the prompt needs logits; then nothing of the prefix cache is reused.</summary>
    public bool PromptLogits { get; init; }

    /// <summary>Where it stands.</summary>
    public SequenceStatus Status { get; internal set; }

    /// <summary>Tokens of the prompt.</summary>
    public int PromptLength { get; }

    /// <summary>Tokens of prompt and answer so far.</summary>
    public int Count { get; private set; }

    /// <summary>Most tokens of prompt and answer.</summary>
    public int Capacity => _tokens.Length;

    /// <summary>Most positions that are computed: the last token of an answer ends it.</summary>
    public int MostPositions => Math.Max(PromptLength, Capacity - 1);

    /// <summary>Prompt and answer so far.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    /// <summary>The answer so far.</summary>
    public ReadOnlySpan<int> Generated => _tokens.AsSpan(PromptLength, Count - PromptLength);

    /// <summary>Positions whose latents are in the cache.</summary>
    public int Computed { get; internal set; }

    /// <summary>Cache blocks in the order of positions.</summary>
    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, BlockCount);

    /// <summary>Tokens of the prompt that the prefix cache had when the sequence first ran.</summary>
    public int ReusedTokens { get; internal set; }

    /// <summary>How often it lost its blocks and had to be computed again.</summary>
    public int Preemptions { get; internal set; }

    /// <summary>Place in the order of arrival; forks follow their parent.</summary>
    public long Arrival { get; internal set; }

    internal (int Priority, long Arrival) Order => (Priority, Arrival);

    internal int Remaining => Count - Computed;

    internal bool NeedsPromptLogits => PromptLogits && Count == PromptLength;

    internal int BlockCount { get; set; }

    internal int PendingForks { get; set; }

    /// <summary>Tokens that are still to be computed; of a sequence that waits, without those that the prefix cache had when it began to.</summary>
    internal int Need => Status == SequenceStatus.Running ? Remaining : Count - CachedTokens;

    /// <summary>How many tokens of a step it is to get.</summary>
    internal int Share { get; set; }

    /// <summary>How many tokens of a step it got.</summary>
    internal int PlannedTokens { get; set; }

    internal int BlocksNeeded { get; set; }

    /// <summary>Tokens that the prefix cache had when the sequence began to wait.</summary>
    internal int CachedTokens { get; set; }

    /// <summary>Blocks, from the first on, that the block manager has entered in its prefix cache.</summary>
    internal int RegisteredBlocks { get; set; }

    /// <summary>How the positions of the registered blocks were computed, all the way from the first.</summary>
    internal ulong FormChain { get; set; }

    internal int[] BlockTable => _blocks;

    /// <summary>Adds a generated token.</summary>
    /// <exception cref="InvalidOperationException">The sequence is full.</exception>
    public void Append(int token)
    {
        if (Count == Capacity)
        {
            throw new InvalidOperationException($"the sequence holds all of its {Capacity} tokens");
        }

        _tokens[Count++] = token;
        HashLastBlock();
    }

    /// <summary>Which form of attention computes a position: prompt expanded, answer absorbed.</summary>
    public AttentionForm Form(int position) => position < PromptLength ? AttentionForm.Expanded : AttentionForm.Absorbed;

    /// <summary>Hash of a full block's tokens and all before them.</summary>
    internal UInt128 Hash(int block) => _hashes[block];

    /// <summary>How many positions of a block, from its first on, are expanded.</summary>
    internal int ExpandedIn(int block) => Math.Clamp(PromptLength - (block * _tokensPerBlock), 0, _tokensPerBlock);

    /// <summary>The next sample of a sequence that has computed its prompt and no more; it has no blocks yet.</summary>
    internal Sequence Fork()
    {
        if (Status != SequenceStatus.Running || Remaining != 0 || Count != PromptLength || PendingForks == 0)
        {
            throw new InvalidOperationException(
                $"a sequence is forked {Samples - 1} times, when its prompt of {PromptLength} tokens and no more is computed; it has {Computed}");
        }

        return new Sequence(this) { Arrival = Arrival + Samples - PendingForks-- };
    }

    private void HashLastBlock()
    {
        (int blocks, int rest) = Math.DivRem(Count, _tokensPerBlock);
        if (rest == 0)
        {
            UInt128 parent = blocks == 1 ? UInt128.Zero : _hashes[blocks - 2];
            _hashes[blocks - 1] = BlockHash.Next(parent, _tokens.AsSpan(Count - _tokensPerBlock, _tokensPerBlock));
        }
    }
}
