namespace Conclave.Parallel.Exchange;

/// <summary>Which replica of an expert a token goes to.</summary>
public static class ReplicaChoice
{
    /// <summary>
    /// The slot of the replica whose rank has least to do: of those on the source's host if there are any and every host has tokens, since each then looks after its own; otherwise of all, because those on hosts
    /// without tokens would have nothing to do. Of equal ones one on the source's host, and of these the first after the source's own rank, in rank order and around, so that sources that know nothing of each
    /// other do not all choose the same.
    /// </summary>
    /// <param name="slots">Where the layer's experts are.</param>
    /// <param name="hosts">The hosts of ranks.</param>
    /// <param name="expert">The expert that the router chose.</param>
    /// <param name="source">The rank of the token.</param>
    /// <param name="allHostsHaveTokens">Whether on every host some rank may have tokens.</param>
    /// <param name="rankLoads">What the source has given each rank, or knows that it has.</param>
    /// <exception cref="ArgumentException">No slot holds the expert.</exception>
    public static int Choose(SlotMap slots, HostMap hosts, int expert, int source, bool allHostsHaveTokens, ReadOnlySpan<long> rankLoads)
    {
        int world = hosts.World;
        int host = hosts.HostOf(source);
        (bool IsElsewhere, long Load, bool IsRemote, int Distance) least = default;
        int chosen = -1;
        foreach (int slot in slots.Replicas(expert))
        {
            int rank = slots.RankOf(slot);
            bool isRemote = hosts.HostOf(rank) != host;
            (bool, long, bool, int) replica = (allHostsHaveTokens && isRemote, rankLoads[rank], isRemote, (rank - source + world) % world);
            if (chosen < 0 || replica.CompareTo(least) < 0)
            {
                least = replica;
                chosen = slot;
            }
        }

        return chosen;
    }
}
