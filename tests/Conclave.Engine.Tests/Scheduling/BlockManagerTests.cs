using Conclave.Engine.Scheduling;
using Conclave.Models;
using CsCheck;

namespace Conclave.Engine.Tests.Scheduling;

public sealed class BlockManagerTests
{
    private const int TokensPerBlock = 3;

    private enum Kind
    {
        Create,
        Continue,
        Compute,
        ComputeOne,
        Fork,
        Preempt,
        Attach,
        Finish,
    }

    private readonly record struct Operation(Kind Kind, int Slot, int Value);

    /// <summary>
    /// Random operations on the manager and on <see cref="SimpleBlocks"/>. After each one: the same answers, each block's references are those that the tables show,
    /// no block is lost, and the cache, written through the block tables, holds the right history at every computed position of every sequence.
    /// </summary>
    [Fact]
    public void It_does_what_the_simple_one_does()
    {
        Gen<Operation> operation = Gen.Select(Gen.Enum<Kind>(), Gen.Int[0, 5], Gen.Int[0, 1 << 20], (k, s, v) => new Operation(k, s, v));
        int[] seen = new int[4];
        Gen.Select(Gen.Int[3, 9], Gen.Bool, operation.Array[1, 200]).Sample(
            (total, strict, operations) => new Run(total, strict, seen).Execute(operations), iter: 4000);

        // The cases that matter did occur: reuse, copies, refusals, blocks replaced by their twins.
        Assert.All(seen, count => Assert.True(count > 400, string.Join(' ', seen)));
    }

    [Fact]
    public void The_last_token_of_a_prompt_is_always_computed()
    {
        BlockManager blocks = new(8, TokensPerBlock);
        Sequence first = Computed(blocks, [1, 2, 3, 4, 5, 6]);
        blocks.Release(first);
        Assert.Equal(3, blocks.AttachPrefix(new Sequence([1, 2, 3, 4, 5, 6], 1, TokensPerBlock)));
        Assert.Equal(6, blocks.AttachPrefix(new Sequence([1, 2, 3, 4, 5, 6, 7], 1, TokensPerBlock)));
    }

    [Theory]
    [InlineData(PrefixReuse.All, 6)]
    [InlineData(PrefixReuse.Strict, 3)]
    [InlineData(PrefixReuse.None, 0)]
    public void A_later_prompt_reuses_an_answer_unless_that_is_forbidden(PrefixReuse reuse, int expected)
    {
        BlockManager blocks = new(8, TokensPerBlock, reuse);
        Sequence first = Computed(blocks, [1, 2, 3, 4], 5, 6, 7);
        blocks.Release(first);
        Assert.Equal(expected, blocks.AttachPrefix(new Sequence([1, 2, 3, 4, 5, 6, 7], 1, TokensPerBlock)));
    }

    [Fact]
    public void An_answer_never_reuses_what_a_prompt_computed()
    {
        BlockManager blocks = new(8, TokensPerBlock);
        Sequence prompt = Computed(blocks, [1, 2, 3, 4, 5, 6, 7]);
        Sequence answer = new([1, 2, 3, 4], 4, TokensPerBlock);
        answer.Append(5);
        answer.Append(6);
        answer.Append(7);
        Assert.Equal(3, blocks.AttachPrefix(answer));
        Assert.Equal(2, blocks.References(prompt.Blocks[0]));
        Assert.Equal(1, blocks.References(prompt.Blocks[1]));
    }

    [Fact]
    public void A_sequence_that_wants_the_logits_of_its_prompt_reuses_nothing()
    {
        BlockManager blocks = new(8, TokensPerBlock);
        blocks.Release(Computed(blocks, [1, 2, 3, 4]));
        Sequence sequence = new([1, 2, 3, 4], 2, TokensPerBlock) { PromptLogits = true };
        Assert.Equal(0, blocks.AttachPrefix(sequence));
        sequence.Append(1);
        Assert.Equal(3, blocks.AttachPrefix(sequence));
    }

    private static Sequence Computed(BlockManager blocks, int[] prompt, params int[] answer)
    {
        Sequence sequence = new(prompt, answer.Length + 1, TokensPerBlock);
        foreach (int token in answer)
        {
            sequence.Append(token);
        }

        Assert.True(blocks.TryGrow(sequence, sequence.Count, []));
        sequence.Computed = sequence.Count;
        blocks.Register(sequence);
        return sequence;
    }

    private sealed class Run(int total, bool strict, int[] seen)
    {
        private readonly BlockManager _blocks = new(total, TokensPerBlock, strict ? PrefixReuse.Strict : PrefixReuse.All);
        private readonly SimpleBlocks _simple = new(total, TokensPerBlock, strict);
        private readonly Sequence?[] _slots = new Sequence?[6];
        private readonly string[] _cache = new string[total * TokensPerBlock];

        public void Execute(Operation[] operations)
        {
            foreach (Operation operation in operations)
            {
                Step(operation);
                Check();
            }

            for (int slot = 0; slot < _slots.Length; slot++)
            {
                Step(new Operation(Kind.Finish, slot, 0));
            }

            Assert.Equal(total, _blocks.Available);
        }

        private void Step(Operation operation)
        {
            ref Sequence? slot = ref _slots[operation.Slot];
            int value = operation.Value;
            switch (operation.Kind)
            {
                case Kind.Create when slot is null:
                    slot = Create([.. Enumerable.Range(0, 1 + (value & 7)).Select(i => (value >> (3 + i)) & 1)]);
                    break;
                case Kind.Continue when slot is null && _slots[value % _slots.Length] is { } other:
                    slot = Create([.. other.Tokens[..Math.Min(other.Count, 1 + (value % 13))], value & 1]);
                    break;
                case Kind.Compute when slot is { Remaining: > 0 }:
                    Compute(slot, 1 + (value % slot.Remaining));
                    break;
                case Kind.ComputeOne when slot is not null:
                    if (slot.Remaining == 0 && slot.Count < slot.Capacity)
                    {
                        slot.Append(value & 1);
                    }

                    Compute(slot, Math.Min(1, slot.Remaining));
                    break;
                case Kind.Fork when slot is not null && _slots[value % _slots.Length] is null:
                    Sequence child = Unattached(slot.Tokens[..slot.PromptLength], slot.Tokens[slot.PromptLength..], slot.Capacity);
                    _blocks.Share(slot, child);
                    _simple.Tables[child] = [.. _simple.Tables[slot]];
                    _slots[value % _slots.Length] = child;
                    break;
                case Kind.Preempt when slot is not null:
                    _blocks.Release(slot);
                    _simple.Release(slot);
                    _simple.Tables[slot] = [];
                    break;
                case Kind.Attach when slot is { BlockCount: 0 }:
                    Attach(slot);
                    break;
                case Kind.Finish when slot is not null:
                    _blocks.Release(slot);
                    _simple.Release(slot);
                    slot = null;
                    break;
            }
        }

        private Sequence Create(int[] prompt)
        {
            Sequence sequence = new(prompt, 8, TokensPerBlock);
            Attach(sequence);
            return sequence;
        }

        private static Sequence Unattached(ReadOnlySpan<int> prompt, ReadOnlySpan<int> answer, int capacity)
        {
            Sequence sequence = new(prompt, capacity - prompt.Length, TokensPerBlock);
            foreach (int token in answer)
            {
                sequence.Append(token);
            }

            return sequence;
        }

        private void Attach(Sequence sequence)
        {
            Assert.Equal(_simple.CountNeeded(sequence), _blocks.CountNeeded(sequence));
            int reused = _blocks.AttachPrefix(sequence);
            Assert.Equal(_simple.Attach(sequence), reused);
            Assert.Equal(reused, sequence.Computed);
            seen[0] += reused > 0 ? 1 : 0;
        }

        private void Compute(Sequence sequence, int tokens)
        {
            List<BlockCopy> copies = [];
            bool given = _blocks.TryGrow(sequence, tokens, copies);
            Assert.Equal(_simple.Grow(sequence, sequence.Computed, tokens), (given, copies.Count == 1));
            if (!given)
            {
                seen[2]++;
                return;
            }

            foreach (BlockCopy copy in copies)
            {
                seen[1]++;
                _cache.AsSpan(copy.From * TokensPerBlock, TokensPerBlock).CopyTo(_cache.AsSpan(copy.To * TokensPerBlock));
            }

            for (int i = 0; i < tokens; i++)
            {
                Assert.Equal(1, _blocks.References(sequence.Blocks[sequence.Computed / TokensPerBlock]));
                Row(sequence, sequence.Computed) = _simple.History(sequence, sequence.Computed + 1);
                sequence.Computed++;
            }

            int[] before = [.. sequence.Blocks];
            _blocks.Register(sequence);
            _simple.Register(sequence, sequence.Computed);
            seen[3] += sequence.Blocks.SequenceEqual(before) ? 0 : 1;
        }

        private void Check()
        {
            Sequence[] live = [.. _slots.OfType<Sequence>()];
            Assert.Equal(_simple.Available, _blocks.Available);
            foreach (SimpleBlocks.Held held in _simple.Registered)
            {
                // Whoever has the tokens of a registered block, and one more, finds it.
                int[] tokens = [.. held.Key!.Where((_, i) => i % 2 == 0).Select(letter => letter - 'a'), 0];
                int expanded = held.Key!.Count(form => form == 'E');
                Sequence probe = Unattached(tokens.AsSpan(0, expanded), tokens.AsSpan(expanded), tokens.Length);
                Assert.Equal(_simple.CountCached(probe), _blocks.CountCached(probe));
            }

            int[] references = new int[total];
            Dictionary<int, SimpleBlocks.Held> pairs = [];
            foreach (Sequence sequence in live)
            {
                List<SimpleBlocks.Held> table = _simple.Tables[sequence];
                Assert.Equal(table.Count, sequence.BlockCount);
                for (int i = 0; i < table.Count; i++)
                {
                    references[sequence.Blocks[i]]++;
                    Assert.Same(table[i], pairs.TryGetValue(sequence.Blocks[i], out SimpleBlocks.Held? held) ? held : table[i]);
                    pairs[sequence.Blocks[i]] = table[i];
                }

                string history = _simple.History(sequence, sequence.Computed);
                for (int p = 0; p < sequence.Computed; p++)
                {
                    Assert.Equal(history[..(2 * (p + 1))], Row(sequence, p));
                    Assert.True(strict || p < sequence.PromptLength || history[(2 * p) + 1] == 'A');
                    Assert.True(!strict || history[(2 * p) + 1] == (p < sequence.PromptLength ? 'E' : 'A'));
                }
            }

            Assert.Equal(pairs.Count, pairs.Values.Distinct().Count());
            for (int block = 0; block < total; block++)
            {
                Assert.Equal(references[block], _blocks.References(block));
            }
        }

        private ref string Row(Sequence sequence, int position) =>
            ref _cache[(sequence.Blocks[position / TokensPerBlock] * TokensPerBlock) + (position % TokensPerBlock)];
    }
}
