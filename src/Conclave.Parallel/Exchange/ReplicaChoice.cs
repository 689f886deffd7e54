namespace Conclave.Parallel.Exchange;

/// <summary>Which replica of an expert a token goes to.</summary>
public static class ReplicaChoice
{
    /// <summary>
    /// The slot of the replica on the source's host whose rank has least to do; where the host has none, of all replicas. Of equal ones the first after the source's own
    /// rank, in rank order and around, so that sources that know nothing of each other do not all choose the same.
    /// </summary>
    /// <param name="slots">Where the layer's experts are.</param>
    /// <param name="hosts">The hosts of ranks.</param>
    /// <param name="expert">The expert that the router chose.</param>
    /// <param name="source">The rank of the token.</param>
    /// <param name="rankLoads">What the source has given each rank, or knows that it has.</param>
    /// <exception cref="ArgumentException">No slot holds the expert.</exception>
    public static int Choose(SlotMap slots, HostMap hosts, int expert, int source, ReadOnlySpan<long> rankLoads)
    {
        int world = hosts.World;
        int host = hosts.HostOf(source);
        (bool Remote, long Load, int Distance) least = (true, long.MaxValue, int.MaxValue);
        int chosen = -1;
        foreach (int slot in slots.Replicas(expert))
        {
            int rank = slots.RankOf(slot);
            (bool, long, int) replica = (hosts.HostOf(rank) != host, rankLoads[rank], (rank - source + world) % world);
            if (chosen < 0 || replica.CompareTo(least) < 0)
            {
                least = replica;
                chosen = slot;
            }
        }

        return chosen;
    }
}
