namespace Conclave.Parallel.Exchange;

/// <summary>Where experts are on the ranks of an exchange: the placement in force and, once it is known, the next.</summary>
/// <param name="slotsByLayer">The first; null for layers without experts.</param>
/// <param name="rank">This rank.</param>
internal sealed class Placements(IReadOnlyList<SlotMap?> slotsByLayer, int rank)
{
    private SlotMaps? _next;

    /// <summary>The one in force.</summary>
    public SlotMaps Present { get; private set; } = new(0, slotsByLayer);

    /// <summary>Most slots of a layer that this rank has in the first placement, for which stores are made.</summary>
    public int MostSlots { get; } = new SlotMaps(0, slotsByLayer).MostSlotsOf(rank);

    /// <summary>Makes the next one known; it takes the place of one that was known before and not switched to.</summary>
    /// <exception cref="ArgumentException">It has other layers or experts, or more slots on this rank than the first.</exception>
    public void Prepare(IReadOnlyList<SlotMap?> slotsByLayer)
    {
        SlotMaps next = new(Present.Epoch + 1, slotsByLayer);
        if (!next.ByLayer.Select(slots => slots?.Experts).SequenceEqual(Present.ByLayer.Select(slots => slots?.Experts))
            || next.MostSlotsOf(rank) > MostSlots)
        {
            throw new ArgumentException("the placement has other layers or experts, or more slots on this rank than stores were made for", nameof(slotsByLayer));
        }

        _next = next;
    }

    /// <summary>Puts the next one in force.</summary>
    /// <exception cref="InvalidOperationException">None is known.</exception>
    public void Switch()
    {
        Present = _next ?? throw new InvalidOperationException("no placement was prepared");
        _next = null;
    }

    /// <summary>The one that a message of a peer speaks of.</summary>
    /// <exception cref="PeerException">It is neither the one in force nor the next.</exception>
    public SlotMaps Find(int peer, in MessageTag tag) => (byte)Present.Epoch == tag.Epoch ? Present : (byte?)_next?.Epoch == tag.Epoch ? _next! : throw new PeerException(
        peer, $"sent a message ({tag}) of another epoch; this rank is in epoch {Present.Epoch}{(_next is null ? "" : " and knows the next")}");
}
