namespace Conclave.Parallel.Placement;

/// <summary>Which replica of an expert a token goes to.</summary>
public static class ReplicaChoice
{
    /// <summary>
    /// The slot of the replica on the source's host whose rank has least to do; where the host has none, of all replicas. Of equal ones the first after the source's own
    /// rank, in rank order and around, so that sources that know nothing of each other do not all choose the same.
    /// </summary>
    /// <param name="placement">Where experts are.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="expert">The expert that the router chose.</param>
    /// <param name="source">The rank of the token.</param>
    /// <param name="rankLoads">What the source has given each rank, or knows that it has.</param>
    public static int Choose(ExpertPlacement placement, int layer, int expert, int source, ReadOnlySpan<long> rankLoads)
    {
        PlacementShape shape = placement.Shape;
        int host = shape.HostOf(source);
        (bool Remote, long Load, int Distance) least = (true, long.MaxValue, int.MaxValue);
        int chosen = -1;
        foreach (int slot in placement.Slots(layer, expert))
        {
            int rank = placement.RankOf(slot);
            (bool, long, int) replica = (shape.HostOf(rank) != host, rankLoads[rank], (rank - source + shape.Ranks) % shape.Ranks);
            if (chosen < 0 || replica.CompareTo(least) < 0)
            {
                least = replica;
                chosen = slot;
            }
        }

        return chosen;
    }
}
