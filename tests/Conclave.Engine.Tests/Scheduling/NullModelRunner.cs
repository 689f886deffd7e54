using Conclave.Engine.Scheduling;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Engine.Tests.Scheduling;

/// <summary>
/// A model without weights whose caches are real: the row of a position holds a hash of the row before it, read through the block table, of the token and of the form
/// of attention. The logits of a position are 1 for one token that this hash gives, else 0. So an answer shows every wrong block, token, form, copy or order.
/// </summary>
public sealed class NullModelRunner : IModelRunner
{
    private readonly ulong[][] _caches;
    private readonly int _tokensPerBlock;
    private readonly NativeBuffer _buffer;
    private readonly TensorView _logits;

    public NullModelRunner(int blocks, int tokensPerBlock, int maxLogitRows, int vocabularySize, int partitions = 1)
    {
        _caches = [.. Enumerable.Range(0, partitions).Select(_ => new ulong[(long)blocks * tokensPerBlock])];
        _tokensPerBlock = tokensPerBlock;
        VocabularySize = vocabularySize;
        _buffer = NativeBuffer.ForF32(maxLogitRows, vocabularySize, out _logits);
    }

    public int VocabularySize { get; }

    public TensorView Run(params ReadOnlySpan<StepPlan> plans)
    {
        int rows = 0;
        for (int i = 0; i < plans.Length; i++)
        {
            Run(plans[i], _caches[i], ref rows);
        }

        return _logits.SliceRows(0, rows);
    }

    public void Dispose() => _buffer.Dispose();

    /// <summary>What a row holds after a token.</summary>
    public static ulong Next(ulong state, int token, AttentionForm form)
    {
        state = (state ^ (((ulong)(uint)token << 1) + (ulong)form + 1)) * 0x9E3779B97F4A7C15;
        return state ^ (state >> 29);
    }

    /// <summary>The token that follows.</summary>
    public static int Choose(ulong state, int vocabularySize) => (int)((state >> 8) % (ulong)vocabularySize);

    private void Run(StepPlan plan, ulong[] cache, ref int rows)
    {
        foreach (BlockCopy copy in plan.Copies)
        {
            Block(cache, copy.From).CopyTo(Block(cache, copy.To));
        }

        foreach (ref readonly StepEntry entry in plan.Entries)
        {
            ReadOnlySpan<int> table = entry.Sequence.Blocks;
            ReadOnlySpan<int> tokens = entry.Tokens;
            ulong state = entry.First == 0 ? 0 : Row(cache, table, entry.First - 1);
            for (int i = 0; i < tokens.Length; i++)
            {
                state = Next(state, tokens[i], entry.Form);
                Row(cache, table, entry.First + i) = state;
                if (i >= tokens.Length - entry.Logits)
                {
                    Span<float> row = _logits.RowF32(rows++);
                    row.Clear();
                    row[Choose(state, VocabularySize)] = 1;
                }
            }
        }
    }

    /// <summary>The row of a position.</summary>
    private ref ulong Row(ulong[] cache, ReadOnlySpan<int> table, int position) =>
        ref cache[((long)table[position / _tokensPerBlock] * _tokensPerBlock) + (position % _tokensPerBlock)];

    private Span<ulong> Block(ulong[] cache, int block) => cache.AsSpan(checked(block * _tokensPerBlock), _tokensPerBlock);
}
