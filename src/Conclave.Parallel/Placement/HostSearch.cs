namespace Conclave.Parallel.Placement;

/// <summary>Exchanges between hosts where groups stay on them: only replicas away from home take part.</summary>
internal static class HostSearch
{
    private const double Good = 1.001;

    /// <summary>The exchange that brings the heaviest host and another nearest to each other; null where none takes load from it, or it is even.</summary>
    public static PlanStep? Find(LayerPlan plan)
    {
        PlacementShape shape = plan.Shape;
        int heaviest = 0;
        double most = 0;
        for (int host = 0; host < shape.Hosts; host++)
        {
            double load = plan.HostLoad(host);
            (heaviest, most) = load > most ? (host, load) : (heaviest, most);
        }

        if (most <= plan.Mean * shape.Ranks / shape.Hosts * Good)
        {
            return null;
        }

        PlanStep? best = null;
        ReadOnlySpan<int> experts = plan.Experts;
        ReadOnlySpan<double> shares = plan.Shares;
        double limit = most * (1 - 1e-6);
        List<int> mine = Movable(plan, heaviest);
        for (int host = 0; host < shape.Hosts; host++)
        {
            double load = plan.HostLoad(host);
            if ((most + load) / 2 >= limit)
            {
                continue;
            }

            List<int> theirs = Movable(plan, host);
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
