namespace Conclave.Parallel.Placement;

/// <summary>How evenly a placement divides loads over ranks.</summary>
public static class LoadBalance
{
    /// <summary>The load of each rank, where an expert's load is divided evenly over its replicas.</summary>
    /// <param name="experts">The expert of each slot of a layer.</param>
    /// <param name="loads">Loads by expert.</param>
    /// <param name="ranks">Receives the sum of each rank's slots; as many as there are ranks.</param>
    public static void RankLoads(ReadOnlySpan<int> experts, ReadOnlySpan<double> loads, Span<double> ranks)
    {
        Span<int> replicas = new int[loads.Length];
        foreach (int expert in experts)
        {
            replicas[expert]++;
        }

        ranks.Clear();
        int perRank = experts.Length / ranks.Length;
        for (int slot = 0; slot < experts.Length; slot++)
        {
            ranks[slot / perRank] += loads[experts[slot]] / replicas[experts[slot]];
        }
    }

    /// <summary>The largest element over the mean; 1 where all are 0.</summary>
    public static double MaxOverMean(ReadOnlySpan<double> ranks)
    {
        double total = 0;
        double most = 0;
        foreach (double load in ranks)
        {
            total += load;
            most = Math.Max(most, load);
        }

        return total == 0 ? 1 : most * ranks.Length / total;
    }

    /// <summary>The largest rank's load of a layer over the mean, where an expert's load is divided evenly over its replicas.</summary>
    public static double MaxOverMean(ExpertPlacement placement, ExpertLoads loads, int layer)
    {
        double[] ranks = new double[placement.Shape.Ranks];
        RankLoads(placement.Experts(layer), loads.Layer(layer), ranks);
        return MaxOverMean(ranks);
    }

    /// <summary>
    /// What no placement can go below, however it divides tokens over replicas: the largest rank is not below the mean, and some replica of some expert takes at
    /// least that expert's load ÷ its replicas, whose largest value over all experts is smallest where the slots are given greedily.
    /// </summary>
    public static double LowerBound(PlacementShape shape, ReadOnlySpan<double> loads)
    {
        int[] replicas = new int[shape.Experts];
        double[] shares = new double[shape.Experts];
        ReplicaCounts.Fill(loads, shape.Slots, shape.Ranks, replicas, shares);
        double total = 0;
        foreach (double load in loads)
        {
            total += load;
        }

        return total == 0 ? 1 : Math.Max(1, shares.Max() * shape.Ranks / total);
    }
}
