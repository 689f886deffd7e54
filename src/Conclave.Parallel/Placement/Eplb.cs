using Conclave.Primitives;

namespace Conclave.Parallel.Placement;

/// <summary>
/// DeepSeek's published expert-parallelism load balancer (github.com/deepseek-ai/EPLB, rebalance_experts): groups of experts to hosts, replicas within hosts, replicas to
/// ranks, each greedily. Where groups do not divide by hosts, the same with all ranks as one host. It knows no previous placement.
/// </summary>
public static class Eplb
{
    /// <summary>Places the experts of all layers.</summary>
    /// <exception cref="UserErrorException">The loads are of another number of experts, or groups divide by hosts but ranks do not.</exception>
    public static ExpertPlacement Plan(PlacementShape shape, ExpertLoads loads, long epoch = 0)
    {
        PlacementPlanner.CheckExperts(shape, loads);
        if (!CanPlan(shape))
        {
            throw new UserErrorException(
                $"{shape.Ranks} ranks on {shape.Hosts} hosts: EPLB needs the same number on each; the conclave algorithm does not");
        }

        int[] experts = new int[checked(loads.Layers * shape.Slots)];
        for (int layer = 0; layer < loads.Layers; layer++)
        {
            PlanLayer(shape, loads.Layer(layer), experts.AsSpan(layer * shape.Slots, shape.Slots));
        }

        return new ExpertPlacement(shape, experts, epoch);
    }

    /// <summary>True where the algorithm is defined: ranks divide by hosts where groups do.</summary>
    public static bool CanPlan(PlacementShape shape) => shape.Groups % shape.Hosts != 0 || shape.Ranks % shape.Hosts == 0;

    /// <summary>Places the experts of one layer into its slots.</summary>
    internal static void PlanLayer(PlacementShape shape, ReadOnlySpan<double> loads, Span<int> slots)
    {
        // The global policy is the hierarchical one with a single host and a single group.
        bool hierarchical = shape.Groups % shape.Hosts == 0;
        int hosts = hierarchical ? shape.Hosts : 1;
        int groups = hierarchical ? shape.Groups : 1;
        int groupSize = shape.Experts / groups;
        int hostExperts = shape.Experts / hosts;
        int hostSlots = shape.Slots / hosts;

        // Step 1: pack groups to hosts, the same number to each.
        double[] groupLoads = new double[groups];
        for (int expert = 0; expert < loads.Length; expert++)
        {
            groupLoads[expert / groupSize] += loads[expert];
        }

        int[] packed = new int[groups];
        Pack(groupLoads, hosts, packed);

        int[] experts = new int[hostSlots];
        double[] expertLoads = new double[hostExperts];
        int[] replicas = new int[hostExperts];
        double[] shares = new double[hostExperts];
        double[] slotLoads = new double[hostSlots];
        int[] order = new int[hostSlots];
        for (int host = 0; host < hosts; host++)
        {
            for (int i = 0; i < hostExperts; i++)
            {
                experts[i] = (packed[((host * hostExperts) + i) / groupSize] * groupSize) + (i % groupSize);
                expertLoads[i] = loads[experts[i]];
            }

            // Step 2: replicate within the host, each time the expert whose replicas have most to do.
            ReplicaCounts.Fill(expertLoads, hostSlots, int.MaxValue, replicas, shares);
            int next = hostExperts;
            for (int i = 0; i < hostExperts; i++)
            {
                slotLoads[i] = shares[i];
                for (int replica = 1; replica < replicas[i]; replica++)
                {
                    experts[next] = experts[i];
                    slotLoads[next++] = shares[i];
                }
            }

            // Step 3: pack the replicas to the ranks of the host, the same number to each.
            Pack(slotLoads, shape.Ranks / hosts, order);
            for (int i = 0; i < hostSlots; i++)
            {
                slots[(host * hostSlots) + i] = experts[order[i]];
            }
        }
    }

    /// <summary>
    /// Balanced packing: items from the heaviest to the lightest, each to the lightest pack that has room. Every pack gets the same number of items; where that
    /// is one, item i goes to pack i.
    /// </summary>
    /// <param name="weights">By item.</param>
    /// <param name="packs">How many packs; divides the number of items.</param>
    /// <param name="packed">The items of pack 0 in the order in which they came, then those of pack 1, …</param>
    internal static void Pack(ReadOnlySpan<double> weights, int packs, Span<int> packed)
    {
        int size = weights.Length / packs;
        Span<int> items = new int[weights.Length];
        Span<double> keys = new double[weights.Length];
        for (int i = 0; i < items.Length; i++)
        {
            items[i] = i;
            keys[i] = -weights[i];
        }

        if (size == 1)
        {
            items.CopyTo(packed);
            return;
        }

        keys.Sort(items);
        Span<double> packLoads = new double[packs];
        Span<int> counts = new int[packs];
        foreach (int item in items)
        {
            int lightest = -1;
            for (int pack = 0; pack < packs; pack++)
            {
                if (counts[pack] < size && (lightest < 0 || packLoads[pack] < packLoads[lightest]))
                {
                    lightest = pack;
                }
            }

            packed[(lightest * size) + counts[lightest]++] = item;
            packLoads[lightest] += weights[item];
        }
    }
}
