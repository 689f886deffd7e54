namespace Conclave.Parallel.Exchange;

/// <summary>
/// Where the experts of one layer are. A slot is a physical place for an expert on a rank; routing that reaches an exchange names slots. Without
/// replicas slot e is expert e.
/// </summary>
public sealed class SlotMap
{
    private readonly int[] _rankOf;
    private readonly int[] _expertOf;
    private readonly int[] _localIndex;
    private readonly int[][] _slotsOf;

    /// <summary>Describes a placement.</summary>
    /// <param name="world">Number of ranks.</param>
    /// <param name="rankOfSlot">The rank of each slot; ranks without slots are allowed, a rank's slots need not be neighbours.</param>
    /// <param name="expertOfSlot">The expert of each slot.</param>
    /// <exception cref="ArgumentException">The lists differ in length, are longer than 65,535, or name ranks or experts that cannot be.</exception>
    public SlotMap(int world, ReadOnlySpan<int> rankOfSlot, ReadOnlySpan<int> expertOfSlot)
    {
        _rankOf = rankOfSlot.ToArray();
        _expertOf = expertOfSlot.ToArray();
        if (_rankOf.Length != _expertOf.Length || _rankOf.Length > ushort.MaxValue
            || _rankOf.Any(rank => (uint)rank >= (uint)world) || _expertOf.Any(expert => expert < 0))
        {
            throw new ArgumentException($"{_rankOf.Length} ranks and {_expertOf.Length} experts do not describe slots of {world} ranks", nameof(rankOfSlot));
        }

        _localIndex = new int[_rankOf.Length];
        _slotsOf = new int[world][];
        for (int rank = 0; rank < world; rank++)
        {
            _slotsOf[rank] = [.. Enumerable.Range(0, _rankOf.Length).Where(slot => _rankOf[slot] == rank)];
            for (int i = 0; i < _slotsOf[rank].Length; i++)
            {
                _localIndex[_slotsOf[rank][i]] = i;
            }
        }
    }

    /// <summary>Number of slots.</summary>
    public int Slots => _rankOf.Length;

    /// <summary>One slot for each expert, neighbours together, as evenly as they go.</summary>
    public static SlotMap Even(int world, int experts)
    {
        int[] expertOf = [.. Enumerable.Range(0, experts)];
        return new SlotMap(world, [.. expertOf.Select(expert => (int)((long)expert * world / experts))], expertOf);
    }

    /// <summary>The rank that holds a slot.</summary>
    public int RankOf(int slot) => _rankOf[slot];

    /// <summary>The expert in a slot.</summary>
    public int ExpertOf(int slot) => _expertOf[slot];

    /// <summary>Which of its rank's slots a slot is.</summary>
    public int LocalIndex(int slot) => _localIndex[slot];

    /// <summary>The slots of a rank, rising.</summary>
    public ReadOnlySpan<int> SlotsOf(int rank) => _slotsOf[rank];
}
