using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Exchange;

/// <summary>Where the experts of one layer are. A slot is a physical place for an expert on a rank; an expert may have several: its replicas.</summary>
public sealed class SlotMap
{
    private const int MostExperts = 65_535;

    private readonly int[] _rankOf;
    private readonly int[] _expertOf;
    private readonly int[] _localIndex;
    private readonly int[][] _slotsOf;
    private readonly int[][] _replicas;

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
            || _rankOf.Any(rank => (uint)rank >= (uint)world) || _expertOf.Any(expert => (uint)expert >= MostExperts))
        {
            throw new ArgumentException($"{_rankOf.Length} ranks and {_expertOf.Length} experts do not describe slots of {world} ranks", nameof(rankOfSlot));
        }

        _localIndex = new int[_rankOf.Length];
        _slotsOf = Group(_rankOf, world);
        _replicas = Group(_expertOf, _expertOf.Length == 0 ? 0 : _expertOf.Max() + 1);
        foreach (int[] slots in _slotsOf)
        {
            for (int i = 0; i < slots.Length; i++)
            {
                _localIndex[slots[i]] = i;
            }
        }
    }

    /// <summary>Number of slots.</summary>
    public int Slots => _rankOf.Length;

    /// <summary>Experts that slots may hold: the highest and all below it.</summary>
    public int Experts => _replicas.Length;

    /// <summary>One slot for each expert, neighbours together, as evenly as they go: slot e is expert e.</summary>
    public static SlotMap Even(int world, int experts)
    {
        int[] expertOf = [.. Enumerable.Range(0, experts)];
        return new SlotMap(world, [.. expertOf.Select(expert => (int)((long)expert * world / experts))], expertOf);
    }

    /// <summary>The slots of a model's layers as they were placed.</summary>
    /// <param name="placement">Counts layers that have experts only.</param>
    /// <param name="hasExperts">Whether each of the model's layers has experts; so many have as the placement has layers.</param>
    /// <returns>By layer of the model; null for layers without experts.</returns>
    /// <exception cref="ArgumentException">The placement has more or fewer layers.</exception>
    public static SlotMap?[] ByLayer(ExpertPlacement placement, IReadOnlyList<bool> hasExperts)
    {
        if (hasExperts.Count(has => has) != placement.Layers)
        {
            throw new ArgumentException($"{placement.Layers} layers were placed, {hasExperts.Count(has => has)} have experts", nameof(placement));
        }

        int[] rankOf = [.. Enumerable.Range(0, placement.Shape.Slots).Select(placement.RankOf)];
        int placed = 0;
        return [.. hasExperts.Select(has => has ? new SlotMap(placement.Shape.Ranks, rankOf, placement.Experts(placed++)) : null)];
    }

    /// <summary>The rank that holds a slot.</summary>
    public int RankOf(int slot) => _rankOf[slot];

    /// <summary>The expert in a slot.</summary>
    public int ExpertOf(int slot) => _expertOf[slot];

    /// <summary>Which of its rank's slots a slot is.</summary>
    public int LocalIndex(int slot) => _localIndex[slot];

    /// <summary>The slots of a rank, rising.</summary>
    public ReadOnlySpan<int> SlotsOf(int rank) => _slotsOf[rank];

    /// <summary>The slots of an expert, rising.</summary>
    /// <exception cref="ArgumentException">It has none.</exception>
    public ReadOnlySpan<int> Replicas(int expert) => (uint)expert < (uint)_replicas.Length && _replicas[expert].Length > 0
        ? _replicas[expert]
        : throw new ArgumentException($"routing names expert {expert}, which no slot holds");

    /// <summary>The experts in a rank's slots, in their order.</summary>
    public int[] ExpertsOf(int rank) => Array.ConvertAll(_slotsOf[rank], slot => _expertOf[slot]);

    /// <summary>Whether another map has the same experts in the same slots on the same ranks.</summary>
    internal bool HasSameSlots(SlotMap other) => _rankOf.SequenceEqual(other._rankOf) && _expertOf.SequenceEqual(other._expertOf);

    private static int[][] Group(int[] keyOfSlot, int keys)
    {
        int[] counts = new int[keys];
        foreach (int key in keyOfSlot)
        {
            counts[key]++;
        }

        int[][] groups = [.. counts.Select(count => new int[count])];
        for (int slot = keyOfSlot.Length - 1; slot >= 0; slot--)
        {
            groups[keyOfSlot[slot]][--counts[keyOfSlot[slot]]] = slot;
        }

        return groups;
    }
}
