using Conclave.Primitives;

namespace Conclave.Parallel.Placement;

/// <summary>
/// Which expert each slot of each layer holds. Immutable; the epoch says which of two placements is newer. An expert may have several slots: its replicas.
/// </summary>
public sealed class ExpertPlacement
{
    private readonly int[] _experts;
    private readonly int[] _slots;
    private readonly int[] _firstSlot;

    /// <summary>Takes the experts of all slots.</summary>
    /// <param name="shape">Experts, slots and ranks.</param>
    /// <param name="physicalToLogical">The expert of each slot, layer by layer [layers × slots]; kept, not copied.</param>
    /// <param name="epoch">Grows with every placement of a running system.</param>
    /// <exception cref="UserErrorException">There is no whole number of layers, a slot holds no expert of the shape, or an expert has no slot.</exception>
    public ExpertPlacement(PlacementShape shape, int[] physicalToLogical, long epoch = 0)
    {
        (int layers, int rest) = Math.DivRem(physicalToLogical.Length, shape.Slots);
        if (layers == 0 || rest != 0)
        {
            throw new UserErrorException($"{physicalToLogical.Length} slots were given; {shape.Slots} for each layer are expected");
        }

        Shape = shape;
        Layers = layers;
        Epoch = epoch;
        _experts = physicalToLogical;
        _slots = new int[physicalToLogical.Length];
        _firstSlot = new int[checked(layers * (shape.Experts + 1))];
        for (int layer = 0; layer < layers; layer++)
        {
            SortByExpert(layer);
        }
    }

    /// <summary>Experts, slots and ranks.</summary>
    public PlacementShape Shape { get; }

    /// <summary>Number of layers.</summary>
    public int Layers { get; }

    /// <summary>Which placement this is of those of a running system.</summary>
    public long Epoch { get; }

    /// <summary>
    /// Neighbouring experts on each rank, as evenly as they go; slots beyond these hold the experts that follow. What a system starts with before it has seen loads.
    /// </summary>
    public static ExpertPlacement InOrder(PlacementShape shape, int layers)
    {
        int[] experts = new int[checked(layers * shape.Slots)];
        for (int i = 0; i < experts.Length; i++)
        {
            (int rank, int place) = Math.DivRem(i % shape.Slots, shape.SlotsPerRank);
            int first = (int)((long)rank * shape.Experts / shape.Ranks);
            experts[i] = (first + place) % shape.Experts;
        }

        return new ExpertPlacement(shape, experts);
    }

    /// <summary>The experts of a layer's slots: physical_to_logical.</summary>
    public ReadOnlySpan<int> Experts(int layer) => _experts.AsSpan(checked(layer * Shape.Slots), Shape.Slots);

    /// <summary>The slots that hold an expert of a layer, rising; at least one.</summary>
    public ReadOnlySpan<int> Slots(int layer, int expert)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)expert, (uint)Shape.Experts, nameof(expert));
        ReadOnlySpan<int> first = _firstSlot.AsSpan(checked(layer * (Shape.Experts + 1)), Shape.Experts + 1);
        return _slots.AsSpan(checked(layer * Shape.Slots), Shape.Slots)[first[expert]..first[expert + 1]];
    }

    /// <summary>The rank of a slot.</summary>
    public int RankOf(int slot) => slot / Shape.SlotsPerRank;

    /// <summary>How many slots hold an expert that another placement does not have on the same rank: the experts that must be copied to get here from there.</summary>
    /// <exception cref="ArgumentException">The placements differ in shape.</exception>
    public int CopiesFrom(ExpertPlacement previous)
    {
        if (previous.Layers != Layers || previous.Shape.Slots != Shape.Slots || previous.Shape.Ranks != Shape.Ranks)
        {
            throw new ArgumentException("placements of different shapes cannot be compared", nameof(previous));
        }

        return Enumerable.Range(0, Layers).Sum(layer => Shape.CountCopies(previous.Experts(layer), Experts(layer)));
    }

    private void SortByExpert(int layer)
    {
        ReadOnlySpan<int> experts = Experts(layer);
        Span<int> first = _firstSlot.AsSpan(layer * (Shape.Experts + 1), Shape.Experts + 1);
        for (int slot = 0; slot < experts.Length; slot++)
        {
            if ((uint)experts[slot] >= (uint)Shape.Experts)
            {
                throw new UserErrorException($"layer {layer}, slot {slot}: expert {experts[slot]}; 0 to {Shape.Experts - 1} are expected");
            }

            first[experts[slot] + 1]++;
        }

        int without = first[1..].IndexOf(0);
        if (without >= 0)
        {
            throw new UserErrorException($"layer {layer}: no slot holds expert {without}; each expert needs at least one");
        }

        for (int expert = 0; expert < Shape.Experts; expert++)
        {
            first[expert + 1] += first[expert];
        }

        // Counting sort: each expert's beginning moves to its end, which is the next one's beginning.
        Span<int> slots = _slots.AsSpan(layer * Shape.Slots, Shape.Slots);
        for (int slot = experts.Length - 1; slot >= 0; slot--)
        {
            slots[--first[experts[slot] + 1]] = slot;
        }

        first[1..].CopyTo(first);
        first[^1] = Shape.Slots;
    }
}
