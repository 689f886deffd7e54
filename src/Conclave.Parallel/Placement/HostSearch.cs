namespace Conclave.Parallel.Placement;

/// <summary>Exchanges between hosts, of which only replicas away from home can be part where groups stay on hosts.</summary>
internal static class HostSearch
{
    /// <summary>The exchange that brings a host and another nearest to each other; null where none takes load from the host.</summary>
    public static PlanStep? Find(LayerPlan plan, int heaviest)
    {
        PlacementShape shape = plan.Shape;
        if (!shape.KeepsGroups)
        {
            return null;
        }

        PlanStep? best = null;
        double top = plan.HostLoad(heaviest);
        double limit = top * (1 - 1e-6);
        int[] mine = Movable(plan, heaviest);
        for (int host = 0; host < shape.Hosts; host++)
        {
            double load = plan.HostLoad(host);
            if ((top + load) / 2 >= limit)
            {
                continue;
            }

            int[] theirs = Movable(plan, host);
            foreach (int slot in mine)
            {
                foreach (int other in theirs)
                {
                    double difference = plan.Shares[plan.Experts[slot]] - plan.Shares[plan.Experts[other]];
                    double after = Math.Max(top - difference, load + difference);
                    if (after < limit && MayMove(plan, slot, other) && MayMove(plan, other, slot))
                    {
                        limit = after;
                        best = new PlanStep(slot, other, Replicates: false, after, 2);
                    }
                }
            }
        }

        return best;
    }

    private static int[] Movable(LayerPlan plan, int host)
    {
        (int first, int count) = plan.RanksOf(host);
        return [.. Enumerable.Range(first * plan.Shape.SlotsPerRank, count * plan.Shape.SlotsPerRank).Where(slot => plan.Homes[plan.Experts[slot]] != host)];
    }

    private static bool MayMove(LayerPlan plan, int slot, int to) =>
        plan.MayMove(plan.Experts[slot], slot / plan.Shape.SlotsPerRank, to / plan.Shape.SlotsPerRank);
}
