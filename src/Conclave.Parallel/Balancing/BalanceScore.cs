using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Balancing;

/// <summary>How evenly placements divided loads that they were not planned for: of each window, where experts were at its end, beside where they were at first.</summary>
/// <param name="start">Where experts were at first.</param>
internal sealed class BalanceScore(ExpertPlacement start)
{
    private double _reached;
    private double _unbalanced;

    /// <summary>Windows that were scored.</summary>
    public int Windows { get; private set; }

    /// <summary>The mean over them; 0 where there are none.</summary>
    public double Reached => Windows == 0 ? 0 : _reached / Windows;

    /// <summary>The same for the placement at first.</summary>
    public double Unbalanced => Windows == 0 ? 0 : _unbalanced / Windows;

    /// <summary>Scores a window, unless nothing has been moved yet.</summary>
    public void Add(ExpertPlacement present, ExpertLoads window)
    {
        if (present.Epoch > start.Epoch)
        {
            Windows++;
            _reached += Mean(present, window);
            _unbalanced += Mean(start, window);
        }
    }

    private static double Mean(ExpertPlacement placement, ExpertLoads loads) =>
        Enumerable.Range(0, loads.Layers).Average(layer => LoadBalance.MaxOverMean(placement, loads, layer));
}
