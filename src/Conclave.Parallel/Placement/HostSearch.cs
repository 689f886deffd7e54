namespace Conclave.Parallel.Placement;

/// <summary>Exchanges between hosts where groups stay on them: only replicas away from home take part.</summary>
internal static class HostSearch
{
    /// <summary>The exchange that brings a host and another nearest to each other; null where none takes load from the host.</summary>
    public static PlanStep? Find(LayerPlan plan, int heaviest)
    {
        PlacementShape shape = plan.Shape;
        PlanStep? best = null;
        double top = plan.HostLoad(heaviest);
        double limit = top * (1 - 1e-6);
        List<int> mine = Movable(plan, heaviest);
        for (int host = 0; host < shape.Hosts; host++)
        {
            double load = plan.HostLoad(host);
            if ((top + load) / 2 >= limit)
            {
                continue;
            }

            List<int> theirs = Movable(plan, host);
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

    private static List<int> Movable(LayerPlan plan, int host)
    {
        (int first, int count) = plan.RanksOf(host);
        List<int> slots = [];
        for (int slot = first * plan.Shape.SlotsPerRank; slot < (first + count) * plan.Shape.SlotsPerRank; slot++)
        {
            if (plan.Homes[plan.Experts[slot]] != host)
            {
                slots.Add(slot);
            }
        }

        return slots;
    }

    private static bool MayMove(LayerPlan plan, int slot, int to) =>
        plan.MayMove(plan.Experts[slot], slot / plan.Shape.SlotsPerRank, to / plan.Shape.SlotsPerRank);
}
