using Conclave.Primitives;

namespace Conclave.Parallel.Placement;

/// <summary>
/// Conclave's own placement. As EPLB it gives slots to the experts with the largest load per replica and keeps groups of experts on hosts; unlike it, only
/// one replica of each expert must be on its group's host: the others go to different hosts, which evens the load of hosts and lets an expert survive the loss of
/// one. Packing is refined by local search. With a move budget it changes a previous placement by the steps that gain most for each copied expert.
/// </summary>
public static class PlacementPlanner
{
    /// <summary>Places the experts of all layers. The same input gives the same placement.</summary>
    /// <param name="shape">Experts, slots and ranks.</param>
    /// <param name="loads">What the placement is for.</param>
    /// <param name="previous">Where the weights are now; its epoch is followed by the new one's.</param>
    /// <param name="moveBudget">
    /// Most experts that may be copied to a rank that does not have them, all layers together; null: any number. Needs <paramref name="previous"/>.
    /// </param>
    /// <exception cref="UserErrorException">Loads, shape and previous placement do not belong together, or the budget is negative or without a previous placement.</exception>
    public static ExpertPlacement Plan(PlacementShape shape, ExpertLoads loads, ExpertPlacement? previous = null, int? moveBudget = null)
    {
        CheckExperts(shape, loads);
        CheckPrevious(shape, loads, previous, moveBudget);
        int[] slots = new int[checked(loads.Layers * shape.Slots)];
        if (moveBudget is { } budget)
        {
            MoveWithin(shape, loads, previous!, budget, slots);
        }
        else
        {
            LayerPlan plan = new(shape);
            RankMatching matching = new(shape);
            for (int layer = 0; layer < loads.Layers; layer++)
            {
                PlanLayer(plan, matching, loads.Layer(layer), previous is null ? default : previous.Experts(layer), slots.AsSpan(layer * shape.Slots, shape.Slots));
            }
        }

        return new ExpertPlacement(shape, slots, previous is null ? 0 : previous.Epoch + 1);
    }

    internal static void CheckExperts(PlacementShape shape, ExpertLoads loads)
    {
        if (loads.Experts != shape.Experts)
        {
            throw new UserErrorException($"loads of {loads.Experts} experts were given for a placement of {shape.Experts}");
        }
    }

    private static void CheckPrevious(PlacementShape shape, ExpertLoads loads, ExpertPlacement? previous, int? moveBudget)
    {
        if (moveBudget is { } budget && (budget < 0 || previous is null))
        {
            throw new UserErrorException(budget < 0
                ? $"a move budget of {budget}; 0 or more experts are expected"
                : "a move budget was given without the previous placement that it counts from");
        }

        if (previous is not null && (previous.Layers != loads.Layers || previous.Shape.Experts != shape.Experts
            || previous.Shape.Slots != shape.Slots || previous.Shape.Ranks != shape.Ranks))
        {
            throw new UserErrorException(
                $"the previous placement has {previous.Layers} layers of {previous.Shape.Experts} experts in {previous.Shape.Slots} slots on {previous.Shape.Ranks} ranks; "
                + $"{loads.Layers}, {shape.Experts}, {shape.Slots} and {shape.Ranks} are expected");
        }
    }

    /// <summary>Plans a layer anew. Where it was placed before, ranks are given so that few experts move.</summary>
    private static void PlanLayer(LayerPlan plan, RankMatching matching, ReadOnlySpan<double> loads, ReadOnlySpan<int> previous, Span<int> slots)
    {
        PlacementShape shape = plan.Shape;

        // Step 1: pack, then refine.
        plan.Begin(loads);
        double grouped = LayerPacking.Pack(plan);
        LayerSearch.Refine(plan);
        plan.Experts.CopyTo(slots);

        // Step 2: the rules about hosts must not cost balance: where EPLB does better without them, its answer is taken. It packs groups to the
        // same hosts, and all replicas with them, so it need not be asked where the heaviest host alone is worse.
        double reached = plan.MaxLoad();
        if (Eplb.CanPlan(shape) && reached > grouped)
        {
            int[] published = new int[shape.Slots];
            double[] ranks = new double[shape.Ranks];
            Eplb.PlanLayer(shape, loads, published);
            LoadBalance.RankLoads(published, loads, ranks);
            if (ranks.Max() < reached)
            {
                published.CopyTo(slots);
            }
        }

        // Step 3: the same packs on the ranks that have most of their experts.
        if (!previous.IsEmpty)
        {
            matching.Match(previous, slots);
        }
    }

    private static void MoveWithin(PlacementShape shape, ExpertLoads loads, ExpertPlacement previous, int budget, Span<int> slots)
    {
        // Step 1: the layer that is worst takes its best step, until the budget is spent or no step helps.
        LayerPlan[] plans = new LayerPlan[loads.Layers];
        int[] copies = new int[loads.Layers];
        int[] steps = new int[loads.Layers];
        PriorityQueue<int, (double, int)> worst = new();
        for (int layer = 0; layer < plans.Length; layer++)
        {
            plans[layer] = new LayerPlan(shape);
            plans[layer].Adopt(loads.Layer(layer), previous.Experts(layer));
            worst.Enqueue(layer, Urgency(layer));
        }

        int left = budget;
        while (worst.TryDequeue(out int layer, out _))
        {
            LayerPlan plan = plans[layer];
            if (steps[layer]++ < 4 * shape.Slots && LayerSearch.Find(plan, previous.Experts(layer), left) is { } step)
            {
                LayerSearch.Apply(plan, step);
                copies[layer] += step.Copies;
                left -= step.Copies;
                worst.Enqueue(layer, Urgency(layer));
            }
        }

        // Step 2: where the rest of the budget allows it, a layer planned anew takes the place of one that got stuck; the largest gain first.
        List<(double Gain, int Layer, int Copies, int[] Slots)> anew = [];
        LayerPlan fresh = new(shape);
        RankMatching matching = new(shape);
        for (int layer = 0; layer < plans.Length; layer++)
        {
            plans[layer].SumRanks();
            int[] planned = new int[shape.Slots];
            PlanLayer(fresh, matching, loads.Layer(layer), previous.Experts(layer), planned);
            fresh.Adopt(loads.Layer(layer), planned);
            double gain = (plans[layer].MaxLoad() - fresh.MaxLoad()) / Math.Max(fresh.Mean, double.Epsilon);
            if (gain > 1e-9)
            {
                anew.Add((gain, layer, shape.CountCopies(previous.Experts(layer), planned), planned));
            }
        }

        foreach ((_, int layer, int needed, int[] planned) in anew.OrderByDescending(plan => plan.Gain).ThenBy(plan => plan.Layer))
        {
            if (needed - copies[layer] <= left)
            {
                left -= needed - copies[layer];
                plans[layer].Adopt(loads.Layer(layer), planned);
            }
        }

        for (int layer = 0; layer < plans.Length; layer++)
        {
            plans[layer].Experts.CopyTo(slots[(layer * shape.Slots)..]);
        }

        (double, int) Urgency(int layer) => (plans[layer].Mean == 0 ? 0 : -plans[layer].MaxLoad() / plans[layer].Mean, layer);
    }
}
