namespace Conclave.Parallel.Placement;

/// <summary>A change of a plan: the experts of two slots are exchanged, or a slot whose expert has others takes the expert of another slot as well.</summary>
/// <param name="Slot">The slot that changes.</param>
/// <param name="Other">The slot that its new expert is in.</param>
/// <param name="Replicates">False where <paramref name="Other"/> gets the slot's old expert.</param>
/// <param name="Load">The largest load of the ranks that it touches, afterwards.</param>
/// <param name="Copies">Experts that must be copied for it, negative where it takes copies back.</param>
internal readonly record struct PlanStep(int Slot, int Other, bool Replicates, double Load, int Copies);

/// <summary>Local search: steps that take load from the heaviest rank of a layer.</summary>
internal static class LayerSearch
{
    /// <summary>A plan is good where its heaviest rank is this close to what can be reached: windows differ by more.</summary>
    private const double Good = 1.002;

    /// <summary>A step without copies is worth twice as much as one with a single copy.</summary>
    private const double LeastCopies = 0.5;

    /// <summary>
    /// Exchanges experts until the heaviest rank is good or nothing helps. Where groups stay on hosts, first replicas away from home are exchanged between
    /// hosts until these are even, though a rank may have more to do for a while. Then ranks exchange experts, a host's among themselves where groups stay.
    /// </summary>
    public static void Refine(LayerPlan plan)
    {
        PlacementShape shape = plan.Shape;
        int left = 2 * shape.Ranks;
        double before = plan.MaxLoad();
        int[] packed = plan.Experts.ToArray();

        // Step 1: hosts.
        while (shape.KeepsGroups && left-- > 0 && HostSearch.Find(plan) is { } exchange)
        {
            Apply(plan, exchange);
        }

        // Step 2: ranks.
        int heaviest = plan.Heaviest();
        while (left-- > 0 && plan.RankLoads[heaviest] > Even(plan, heaviest))
        {
            (int first, int count) = shape.KeepsGroups ? plan.RanksOf(shape.HostOf(heaviest)) : (0, shape.Ranks);
            if (FindSwap(plan, heaviest, first, count, default, int.MaxValue) is not { } exchange)
            {
                break;
            }

            Apply(plan, exchange);
            heaviest = plan.Heaviest();
        }

        if (plan.RankLoads[heaviest] > before)
        {
            plan.Restore(packed);
        }
    }

    /// <summary>The step that lowers the heaviest rank's load most for each copied expert; null where none does.</summary>
    /// <param name="plan">A plan without free slots.</param>
    /// <param name="previous">The experts of the slots where the weights are now.</param>
    /// <param name="budget">Most copies.</param>
    public static PlanStep? Find(LayerPlan plan, ReadOnlySpan<int> previous, int budget)
    {
        int heaviest = plan.Heaviest();
        return plan.RankLoads[heaviest] <= plan.Mean * Good
            ? null
            : FindReplica(plan, heaviest, previous, budget, FindSwap(plan, heaviest, 0, plan.Shape.Ranks, previous, budget));
    }

    /// <summary>Changes the plan.</summary>
    public static void Apply(LayerPlan plan, PlanStep step)
    {
        if (step.Replicates)
        {
            plan.Replace(step.Slot, plan.Experts[step.Other]);
        }
        else
        {
            plan.Swap(step.Slot, step.Other);
        }
    }

    /// <summary>What a rank may have to do: little more than the others of its host, or than all where experts may change hosts.</summary>
    private static double Even(LayerPlan plan, int rank)
    {
        int host = plan.Shape.HostOf(rank);
        return Good * (plan.Shape.KeepsGroups ? Math.Max(plan.Mean, plan.HostLoad(host) / plan.RanksOf(host).Count) : plan.Mean);
    }

    private static PlanStep? FindSwap(LayerPlan plan, int heaviest, int firstRank, int ranks, ReadOnlySpan<int> previous, int budget)
    {
        PlanStep? best = null;
        double top = plan.RankLoads[heaviest];
        double limit = top * (1 - 1e-9);
        int perRank = plan.Shape.SlotsPerRank;
        ReadOnlySpan<int> mine = plan.OnRank(heaviest);
        ReadOnlySpan<double> shares = plan.Shares;
        double enough = previous.IsEmpty ? Even(plan, heaviest) : 0;
        for (int rank = firstRank; rank < firstRank + ranks && limit > enough; rank++)
        {
            double load = plan.RankLoads[rank];

            // No exchange is better than to meet in the middle.
            if ((top + load) / 2 >= limit)
            {
                continue;
            }

            ReadOnlySpan<int> theirs = plan.OnRank(rank);
            for (int i = 0; i < mine.Length && limit > enough; i++)
            {
                double share = shares[mine[i]];
                for (int j = 0; j < theirs.Length; j++)
                {
                    double difference = share - shares[theirs[j]];
                    if (difference <= top - limit || difference >= limit - load
                        || !plan.MayMove(mine[i], heaviest, rank) || !plan.MayMove(theirs[j], rank, heaviest))
                    {
                        continue;
                    }

                    double after = Math.Max(top - difference, load + difference);
                    int copies = previous.IsEmpty ? 1 : Copies(plan, previous, mine[i], heaviest, rank) + Copies(plan, previous, theirs[j], rank, heaviest);
                    PlanStep step = new((heaviest * perRank) + i, (rank * perRank) + j, Replicates: false, after, copies);
                    if (copies <= budget && IsBetter(step, best, top))
                    {
                        // What is to be better must gain half as much even where it copies nothing.
                        best = step;
                        limit = previous.IsEmpty ? after : top - ((top - after) / Math.Max(copies, LeastCopies) * LeastCopies);
                    }
                }
            }
        }

        return best;
    }

    private static PlanStep? FindReplica(LayerPlan plan, int heaviest, ReadOnlySpan<int> previous, int budget, PlanStep? best)
    {
        double top = plan.RankLoads[heaviest];
        double limit = top * (1 - 1e-9);
        int perRank = plan.Shape.SlotsPerRank;
        (double First, double Second)[] holders = HeaviestHolders(plan);
        for (int slot = 0; slot < plan.Shape.Slots; slot++)
        {
            int rank = slot / perRank;
            int old = plan.Experts[slot];
            if (rank == heaviest || plan.Replicas[old] == 1 || !MayDrop(plan, old, rank))
            {
                continue;
            }

            // What the other replicas of the slot's expert will have to do more.
            double oldShare = plan.Loads[old] / (plan.Replicas[old] - 1);
            (double first, double second) = holders[old];
            double others = (plan.RankLoads[rank] < first ? first : second) + oldShare - plan.Shares[old];
            if (others >= limit)
            {
                continue;
            }

            for (int hot = heaviest * perRank; hot < (heaviest + 1) * perRank; hot++)
            {
                int expert = plan.Experts[hot];
                double share = plan.Loads[expert] / (plan.Replicas[expert] + 1);
                double after = Math.Max(
                    Math.Max(others, top - plan.Shares[expert] + share), plan.RankLoads[rank] - plan.Shares[old] + share);
                if (after >= limit || plan.OnRank(rank).Contains(expert) || IsCrowded(plan, expert, rank))
                {
                    continue;
                }

                int copies = CopyTo(plan, previous, expert, rank) - CopyTo(plan, previous, old, rank);
                PlanStep step = new(slot, hot, Replicates: true, after, copies);
                if (copies <= budget && IsBetter(step, best, top))
                {
                    best = step;
                }
            }
        }

        return best;
    }

    /// <summary>
    /// The two largest loads of the ranks that hold each expert; infinite where a rank holds it twice, as EPLB allows: its replicas are left alone.
    /// </summary>
    private static (double First, double Second)[] HeaviestHolders(LayerPlan plan)
    {
        (double First, double Second)[] holders = new (double, double)[plan.Shape.Experts];
        int[] lastRank = new int[plan.Shape.Experts];
        lastRank.AsSpan().Fill(-1);
        for (int slot = 0; slot < plan.Shape.Slots; slot++)
        {
            int expert = plan.Experts[slot];
            int rank = slot / plan.Shape.SlotsPerRank;
            double load = plan.RankLoads[rank];
            ref (double First, double Second) holder = ref holders[expert];
            holder = lastRank[expert] == rank ? (double.PositiveInfinity, double.PositiveInfinity)
                : load > holder.First ? (load, holder.First) : (holder.First, Math.Max(holder.Second, load));
            lastRank[expert] = rank;
        }

        return holders;
    }

    private static bool IsBetter(PlanStep step, PlanStep? best, double top) =>
        best is not { } other
        || (top - step.Load) * Math.Max(other.Copies, LeastCopies) > (top - other.Load) * Math.Max(step.Copies, LeastCopies);

    /// <summary>True where an expert's host stays, or may go.</summary>
    private static bool MayDrop(LayerPlan plan, int expert, int rank)
    {
        int host = plan.Shape.HostOf(rank);
        int here = plan.OnHost(host).Count(expert);
        return here > 1 || (plan.Homes[expert] != host && plan.Replicas[expert] <= plan.Shape.Hosts);
    }

    /// <summary>True where another host has no replica of the expert, but this one has.</summary>
    private static bool IsCrowded(LayerPlan plan, int expert, int rank) =>
        plan.Replicas[expert] < plan.Shape.Hosts && plan.OnHost(plan.Shape.HostOf(rank)).Contains(expert);

    private static int Copies(LayerPlan plan, ReadOnlySpan<int> previous, int expert, int from, int to) =>
        CopyTo(plan, previous, expert, to) - CopyTo(plan, previous, expert, from);

    /// <summary>1 where the rank would have to copy the expert, 0 where it has its weights.</summary>
    private static int CopyTo(LayerPlan plan, ReadOnlySpan<int> previous, int expert, int rank) =>
        plan.Shape.IsOn(rank, previous, expert) ? 0 : 1;
}
