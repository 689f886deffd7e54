using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Balancing;

/// <summary>How evenly ranks were loaded in the windows that began after the first change of placement, beside what an even division over replicas would have given where experts were at first.</summary>
/// <param name="start">Where experts were at first.</param>
internal sealed class BalanceScore(ExpertPlacement start)
{
    private double _reached;
    private double _unbalanced;
    private long _epoch = start.Epoch;

    /// <summary>Windows that were scored.</summary>
    public int Windows { get; private set; }

    /// <summary>The mean over them; 0 where there are none.</summary>
    public double Reached => Windows == 0 ? 0 : _reached / Windows;

    /// <summary>The same for the placement at first.</summary>
    public double Unbalanced => Windows == 0 ? 0 : _unbalanced / Windows;

    /// <summary>Scores a window that has ended, unless nothing had been moved when it began.</summary>
    /// <param name="epoch">Of the placement at its end.</param>
    /// <param name="loads">What was chosen.</param>
    /// <param name="ranks">What of it went to each rank, by layer.</param>
    public void Add(long epoch, ExpertLoads loads, double[][] ranks)
    {
        if (_epoch > start.Epoch)
        {
            Windows++;
            _reached += ranks.Average(layer => LoadBalance.MaxOverMean(layer));
            _unbalanced += Enumerable.Range(0, loads.Layers).Average(layer => LoadBalance.MaxOverMean(start, loads, layer));
        }

        _epoch = epoch;
    }
}
