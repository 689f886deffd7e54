namespace Conclave.Parallel.Placement;

/// <summary>
/// A first placement of a layer: longest processing time first, under the rules that no rank holds an expert twice, that replicas are on different hosts
/// while there are any, and, where groups stay on hosts, that one replica of each expert is on its group's host.
/// </summary>
internal static class LayerPacking
{
    /// <summary>
    /// Fills a plan that has begun. Returns what the heaviest rank has at least where all replicas stay with their groups, 0 where groups do not stay on hosts.
    /// </summary>
    public static double Pack(LayerPlan plan)
    {
        PlacementShape shape = plan.Shape;

        // Step 1: a home for each expert. Slots of its host are reserved for those that are still to come.
        int[] pending = new int[shape.Hosts];
        double[] expected = new double[shape.Hosts];
        double grouped = shape.KeepsGroups ? ChooseHomes(plan, pending, expected) : 0;

        // Step 2: experts by falling load per replica.
        int[] order = new int[shape.Experts];
        double[] keys = new double[shape.Experts];
        for (int expert = 0; expert < order.Length; expert++)
        {
            order[expert] = expert;
            keys[expert] = -plan.Shares[expert];
        }

        keys.AsSpan().Sort(order.AsSpan());

        // Step 3: each replica to the lightest rank that it may have.
        int[] free = new int[shape.Ranks];
        int[] hostFree = new int[shape.Hosts];
        free.AsSpan().Fill(shape.SlotsPerRank);
        for (int rank = 0; rank < shape.Ranks; rank++)
        {
            hostFree[shape.HostOf(rank)] += shape.SlotsPerRank;
        }

        int[] onHost = new int[shape.Hosts];
        List<int> crowded = [];
        foreach (int expert in order)
        {
            onHost.AsSpan().Clear();
            for (int replica = 0; replica < plan.Replicas[expert]; replica++)
            {
                int home = replica == 0 ? plan.Homes[expert] : -1;
                if (home >= 0)
                {
                    pending[home]--;
                }

                int best = home >= 0 ? LightestOf(plan, home, free) : LightestFor(plan, expert, free, onHost, hostFree, pending, expected);

                // All that is free is reserved, or was taken by those for whom nothing else was: any rank without the expert will do.
                for (int rank = 0; rank < shape.Ranks && best < 0; rank++)
                {
                    best = free[rank] > 0 && !plan.OnRank(rank).Contains(expert) ? rank : -1;
                }

                int filled = best >= 0 ? best : MakeRoom(plan, expert, free);
                if (best >= 0)
                {
                    plan.Put(expert, best);
                }

                free[filled]--;
                hostFree[shape.HostOf(filled)]--;
                expected[shape.HostOf(filled)] += shape.KeepsGroups && home < 0 ? plan.Shares[expert] : 0;
                if (onHost[shape.HostOf(filled)]++ > 0 && replica < shape.Hosts)
                {
                    crowded.Add(expert);
                }
            }
        }

        // Step 4: the last replicas may have found free slots only where their expert was already.
        foreach (int expert in crowded)
        {
            Spread(plan, expert);
        }

        return grouped;
    }

    /// <summary>
    /// Where an expert has two replicas on a host but none on some other, exchanges one of them with a replica there whose load is nearest, if any may be.
    /// </summary>
    private static void Spread(LayerPlan plan, int expert)
    {
        PlacementShape shape = plan.Shape;
        int slot = plan.Experts.IndexOf(expert);
        while (plan.OnHost(shape.HostOf(slot / shape.SlotsPerRank)).Count(expert) == 1)
        {
            int next = plan.Experts[(slot + 1)..].IndexOf(expert);
            if (next < 0)
            {
                return;
            }

            slot += next + 1;
        }

        int rank = slot / shape.SlotsPerRank;
        int partner = -1;
        double nearest = double.PositiveInfinity;
        for (int other = 0; other < shape.Slots; other++)
        {
            int to = other / shape.SlotsPerRank;
            double distance = Math.Abs(plan.Shares[expert] - plan.Shares[plan.Experts[other]]);
            if (distance < nearest && !plan.OnHost(shape.HostOf(to)).Contains(expert) && plan.MayMove(plan.Experts[other], to, rank))
            {
                partner = other;
                nearest = distance;
            }
        }

        if (partner >= 0)
        {
            plan.Swap(slot, partner);
        }
    }

    /// <summary>The lightest rank of a host that has a free slot; −1 where none has.</summary>
    private static int LightestOf(LayerPlan plan, int host, int[] free)
    {
        (int first, int count) = plan.RanksOf(host);
        ReadOnlySpan<double> loads = plan.RankLoads;
        int lightest = -1;
        for (int rank = first; rank < first + count; rank++)
        {
            if (free[rank] > 0 && (lightest < 0 || loads[rank] < loads[lightest]))
            {
                lightest = rank;
            }
        }

        return lightest;
    }

    /// <summary>
    /// Of the ranks without the expert that have a free slot which is not reserved: on the hosts with the fewest replicas, among these on those that will
    /// have least to do, the lightest. −1 where there is none.
    /// </summary>
    private static int LightestFor(LayerPlan plan, int expert, int[] free, int[] onHost, int[] hostFree, int[] pending, double[] expected)
    {
        ReadOnlySpan<double> loads = plan.RankLoads;
        int best = -1;
        (int OnHost, double Expected) least = (int.MaxValue, 0);
        for (int host = 0; host < onHost.Length; host++)
        {
            (int, double) here = (onHost[host], expected[host]);
            if (hostFree[host] <= pending[host] || here.CompareTo(least) > 0)
            {
                continue;
            }

            (int first, int count) = plan.RanksOf(host);
            for (int rank = first; rank < first + count; rank++)
            {
                if (free[rank] > 0 && (here != least || loads[rank] < loads[best]) && (onHost[host] == 0 || !plan.OnRank(rank).Contains(expert)))
                {
                    best = rank;
                    least = here;
                }
            }
        }

        return best;
    }

    /// <summary>
    /// Every rank with a free slot has the expert already: another one, which is full, gives one of its experts to it and takes the expert. There is one to
    /// give, since the full rank has more experts than the other, and not this one. The rank that lost a free slot is returned.
    /// </summary>
    private static int MakeRoom(LayerPlan plan, int expert, int[] free)
    {
        int receiver = Array.FindIndex(free, count => count > 0);
        int giver = -1;
        for (int rank = 0; rank < free.Length; rank++)
        {
            if (!plan.OnRank(rank).Contains(expert) && (giver < 0 || plan.RankLoads[rank] < plan.RankLoads[giver]))
            {
                giver = rank;
            }
        }

        int given = -1;
        for (int slot = giver * plan.Shape.SlotsPerRank; slot < (giver + 1) * plan.Shape.SlotsPerRank; slot++)
        {
            int candidate = plan.Experts[slot];
            if (!plan.OnRank(receiver).Contains(candidate) && (given < 0 || plan.MayMove(candidate, giver, receiver)))
            {
                given = slot;
            }
        }

        int moved = plan.Experts[given];
        plan.Clear(given);
        plan.Put(moved, receiver);
        plan.Put(expert, giver);
        return receiver;
    }

    /// <summary>Packs groups to hosts as EPLB does. Returns the mean rank's load of the heaviest host.</summary>
    private static double ChooseHomes(LayerPlan plan, int[] pending, double[] expected)
    {
        PlacementShape shape = plan.Shape;
        int size = shape.Experts / shape.Groups;
        double[] groupLoads = new double[shape.Groups];
        for (int expert = 0; expert < shape.Experts; expert++)
        {
            groupLoads[expert / size] += plan.Loads[expert];
        }

        int[] packed = new int[shape.Groups];
        Eplb.Pack(groupLoads, shape.Hosts, packed);
        int perHost = shape.Groups / shape.Hosts;
        double heaviest = 0;
        for (int host = 0; host < shape.Hosts; host++)
        {
            double load = 0;
            foreach (int group in packed.AsSpan(host * perHost, perHost))
            {
                load += groupLoads[group];
                pending[host] += size;
                plan.Homes.Slice(group * size, size).Fill(host);
                foreach (double share in plan.Shares.Slice(group * size, size))
                {
                    expected[host] += share;
                }
            }

            heaviest = Math.Max(heaviest, load);
        }

        return heaviest * shape.Hosts / shape.Ranks;
    }
}
