using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Balancing;

/// <summary>What a change of placement must gain. The next window differs from those that a plan was made for, so a small gain is rarely there, and its experts would move back with the next plan.</summary>
public static class LeastGain
{
    /// <summary>By how much the largest load of a rank over the mean must fall in a layer. On recorded loads less moves far more experts and balances hardly better.</summary>
    public const double OfLayer = 0.02;

    /// <summary>A plan but for the layers that gain less, which stay as they are.</summary>
    /// <param name="present">Where experts are.</param>
    /// <param name="planned">Where they would be.</param>
    /// <param name="loads">What the plan is for.</param>
    public static ExpertPlacement Apply(ExpertPlacement present, ExpertPlacement planned, ExpertLoads loads)
    {
        IEnumerable<int> slots = Enumerable.Range(0, planned.Layers).SelectMany(layer =>
            (LoadBalance.MaxOverMean(present, loads, layer) - LoadBalance.MaxOverMean(planned, loads, layer) >= OfLayer ? planned : present).Experts(layer).ToArray());
        return new ExpertPlacement(planned.Shape, [.. slots], planned.Epoch);
    }
}
