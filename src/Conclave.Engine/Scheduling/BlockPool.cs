using System.Numerics;

namespace Conclave.Engine.Scheduling;

/// <summary>
/// The blocks by themselves: how often each is referred to, the list of those that nobody refers to in the order in which they will be taken, and the index that
/// finds registered content by its hash. Blocks without content come first in the list, then content by the time of its last use.
/// </summary>
internal sealed class BlockPool
{
    private const int None = -1;
    private readonly Block[] _blocks;
    private readonly int[] _buckets;
    private readonly int _sentinel;

    public BlockPool(int blocks)
    {
        _blocks = new Block[blocks + 1];
        _buckets = new int[(int)BitOperations.RoundUpToPowerOf2((uint)blocks)];
        Array.Fill(_buckets, None);
        _sentinel = blocks;
        _blocks[_sentinel] = new Block { Older = _sentinel, Newer = _sentinel };
        for (int block = 0; block < blocks; block++)
        {
            LinkAfter(_blocks[_sentinel].Older, block);
        }
    }

    public int Available { get; private set; }

    public int References(int block) => _blocks[block].References;

    public int Expanded(int block) => _blocks[block].Expanded;

    /// <summary>Takes the block that has been without use for the longest time; its content is forgotten.</summary>
    public int Take()
    {
        int block = _blocks[_sentinel].Newer;
        Refer(block);
        if (_blocks[block].IsRegistered)
        {
            Forget(block);
        }

        return block;
    }

    public void Refer(int block)
    {
        if (_blocks[block].References++ == 0)
        {
            Unlink(block);
        }
    }

    public void Dismiss(int block)
    {
        if (--_blocks[block].References == 0)
        {
            LinkAfter(_blocks[block].IsRegistered ? _blocks[_sentinel].Older : _sentinel, block);
        }
    }

    /// <summary>Finds content.</summary>
    /// <param name="hash">Hash of the block's tokens and all before them.</param>
    /// <param name="parentForm">How all positions before the block were computed.</param>
    /// <param name="expanded">How many positions of the block, from its first on, are expanded; the others are absorbed.</param>
    /// <param name="fewer">Whether content with fewer expanded positions will do; the most expanded of it is found.</param>
    /// <param name="found">The block.</param>
    public bool TryFind(UInt128 hash, ulong parentForm, int expanded, bool fewer, out int found)
    {
        found = None;
        for (int block = _buckets[Bucket(hash)]; block != None; block = _blocks[block].NextInBucket)
        {
            ref readonly Block candidate = ref _blocks[block];
            if (candidate.Hash == hash && candidate.ParentForm == parentForm
                && (candidate.Expanded == expanded || (fewer && candidate.Expanded < expanded))
                && (found == None || candidate.Expanded > _blocks[found].Expanded))
            {
                found = block;
            }
        }

        return found != None;
    }

    public void Register(int block, UInt128 hash, ulong parentForm, int expanded)
    {
        ref Block entry = ref _blocks[block];
        ref int bucket = ref _buckets[Bucket(hash)];
        (entry.Hash, entry.ParentForm, entry.Expanded, entry.IsRegistered) = (hash, parentForm, expanded, true);
        entry.NextInBucket = bucket;
        bucket = block;
    }

    private void Forget(int block)
    {
        ref int link = ref _buckets[Bucket(_blocks[block].Hash)];
        while (link != block)
        {
            link = ref _blocks[link].NextInBucket;
        }

        link = _blocks[block].NextInBucket;
        _blocks[block].IsRegistered = false;
    }

    private int Bucket(UInt128 hash) => (int)((ulong)hash & (ulong)(_buckets.Length - 1));

    private void LinkAfter(int older, int block)
    {
        int newer = _blocks[older].Newer;
        (_blocks[block].Older, _blocks[block].Newer) = (older, newer);
        _blocks[older].Newer = block;
        _blocks[newer].Older = block;
        Available++;
    }

    private void Unlink(int block)
    {
        (int older, int newer) = (_blocks[block].Older, _blocks[block].Newer);
        _blocks[older].Newer = newer;
        _blocks[newer].Older = older;
        Available--;
    }

    private struct Block
    {
        public UInt128 Hash;
        public ulong ParentForm;
        public int Expanded;
        public int References;
        public int NextInBucket;
        public int Older;
        public int Newer;
        public bool IsRegistered;
    }
}
