namespace Conclave.Parallel.Placement;

/// <summary>Exchanges between hosts where groups stay on them: only replicas away from home take part.</summary>
internal static class HostSearch
{
    private const double Good = 1.002;
    private const double Better = 0.9995;

    /// <summary>
    /// The exchange that brings the heaviest host and the lightest nearest to each other; where none does, the heaviest and the next lightest, and so on.
    /// Null where hosts are even or nothing helps.
    /// </summary>
    public static PlanStep? Find(LayerPlan plan)
    {
        int[] hosts = new int[plan.Shape.Hosts];
        double[] loads = new double[plan.Shape.Hosts];
        for (int host = 0; host < hosts.Length; host++)
        {
            hosts[host] = host;
            loads[host] = plan.HostLoad(host);
        }

        loads.AsSpan().Sort(hosts.AsSpan());
        double most = loads[^1];
        if (most <= plan.Mean * plan.Shape.Ranks / plan.Shape.Hosts * Good)
        {
            return null;
        }

        PlanStep? step = null;
        List<int> mine = Movable(plan, hosts[^1]);
        for (int i = 0; i < hosts.Length - 1 && step is null; i++)
        {
            step = Find(plan, mine, most, Movable(plan, hosts[i]), loads[i]);
        }

        return step;
    }

    private static PlanStep? Find(LayerPlan plan, List<int> mine, double most, List<int> theirs, double load)
    {
        PlanStep? best = null;
        double limit = most * Better;
        ReadOnlySpan<int> experts = plan.Experts;
        ReadOnlySpan<double> shares = plan.Shares;
        foreach (int slot in mine)
        {
            double share = shares[experts[slot]];
            foreach (int other in theirs)
            {
                double difference = share - shares[experts[other]];
                if (difference > most - limit && difference < limit - load && MayMove(plan, slot, other) && MayMove(plan, other, slot))
                {
                    limit = Math.Max(most - difference, load + difference);
                    best = new PlanStep(slot, other, Replicates: false, limit, Copies: 2);
                }
            }
        }

        return best;
    }

    private static List<int> Movable(LayerPlan plan, int host)
    {
        int first = plan.RanksOf(host).First * plan.Shape.SlotsPerRank;
        ReadOnlySpan<int> experts = plan.OnHost(host);
        ReadOnlySpan<int> homes = plan.Homes;
        List<int> slots = [];
        for (int i = 0; i < experts.Length; i++)
        {
            if (homes[experts[i]] != host)
            {
                slots.Add(first + i);
            }
        }

        return slots;
    }

    private static bool MayMove(LayerPlan plan, int slot, int to) =>
        plan.MayMove(plan.Experts[slot], slot / plan.Shape.SlotsPerRank, to / plan.Shape.SlotsPerRank);
}
