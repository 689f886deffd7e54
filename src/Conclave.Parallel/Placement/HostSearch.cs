namespace Conclave.Parallel.Placement;

/// <summary>Exchanges between hosts where groups stay on them: only replicas away from home take part.</summary>
internal static class HostSearch
{
    private const double Good = 1.0005;

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
                foreach (int other in theirs)
                {
                    double difference = plan.Shares[plan.Experts[slot]] - plan.Shares[plan.Experts[other]];
                    double after = Math.Max(most - difference, load + difference);
                    if (after < limit && MayMove(plan, slot, other) && MayMove(plan, other, slot))
                    {
                        limit = after;
                        best = new PlanStep(slot, other, Replicates: false, after, Copies: 2);
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
