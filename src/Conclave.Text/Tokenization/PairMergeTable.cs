using System.Numerics;
using System.Security.Cryptography;

namespace Conclave.Text.Tokenization;

/// <summary>
/// The merges of a tokenizer.json: a list of pairs of tokens; the earlier one merges first. Pairs of ids are hashed with linear probing by
/// a multiplier of this process's own, so that no file can make them collide.
/// </summary>
internal sealed class PairMergeTable : MergeTable
{
    private static readonly ulong Multiplier = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1;

    private ulong[] _keys;
    private long[] _values;
    private int _shift;
    private int _count;

    /// <param name="capacity">How many merges there will be, about.</param>
    public PairMergeTable(int capacity) => Allocate(Math.Max(capacity, 16));

    public static long Value(int rank, int id) => ((long)rank << 32) | (uint)id;

    /// <summary>Sets what a pair makes; the last one counts.</summary>
    public void Set(int left, int right, long value)
    {
        if (2 * (_count + 1) > _keys.Length)
        {
            ulong[] keys = _keys;
            long[] values = _values;
            Allocate(_keys.Length);
            _count = 0;
            for (int i = 0; i < keys.Length; i++)
            {
                if (keys[i] != 0)
                {
                    Put(keys[i], values[i]);
                }
            }
        }

        Put(Key(left, right), value);
    }

    public override long Find(ReadOnlySpan<char> text, int left, int right)
    {
        ulong key = Key(left, right);
        int slot = Slot(key);
        return _keys[slot] == key ? _values[slot] : None;
    }

    // Never 0, which marks a free slot.
    private static ulong Key(int left, int right) => ((ulong)(uint)(left + 1) << 32) | (uint)right;

    [System.Diagnostics.CodeAnalysis.MemberNotNull(nameof(_keys), nameof(_values))]
    private void Allocate(int merges)
    {
        // At most half of the slots are taken.
        int slots = checked((int)BitOperations.RoundUpToPowerOf2(2 * (uint)merges));
        _keys = new ulong[slots];
        _values = new long[slots];
        _shift = 64 - BitOperations.Log2((uint)slots);
    }

    private void Put(ulong key, long value)
    {
        int slot = Slot(key);
        _count += _keys[slot] == 0 ? 1 : 0;
        _keys[slot] = key;
        _values[slot] = value;
    }

    // Where the key is, or where it would go.
    private int Slot(ulong key)
    {
        int slot = (int)((key * Multiplier) >> _shift);
        while (_keys[slot] != 0 && _keys[slot] != key)
        {
            slot = (slot + 1) & (_keys.Length - 1);
        }

        return slot;
    }
}
