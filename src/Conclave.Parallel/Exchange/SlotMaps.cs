namespace Conclave.Parallel.Exchange;

/// <summary>Where the experts of all layers are in one epoch.</summary>
/// <param name="Epoch">Counts the placements of a running world; all its ranks have the same one.</param>
/// <param name="ByLayer">Slots of each layer; null for layers without experts.</param>
internal sealed record SlotMaps(long Epoch, IReadOnlyList<SlotMap?> ByLayer)
{
    /// <summary>Most slots of a layer that a rank has.</summary>
    public int MostSlotsOf(int rank) => ByLayer.Max(slots => slots is null ? 0 : slots.SlotsOf(rank).Length);
}
