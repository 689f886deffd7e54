using System.Diagnostics;

namespace Conclave.Measurement;

/// <summary>What one kind of call did in all: how often, how long, and what it had to do.</summary>
/// <param name="Calls">Number of calls.</param>
/// <param name="Seconds">Time within the calls.</param>
/// <param name="Bytes">Bytes of weights and cache that the calls had to read; activations, which caches hold, are not counted.</param>
/// <param name="Flops">Multiplications and additions of the operators' sums of products.</param>
/// <param name="Roofline">Seconds that the calls needed at least, summed call by call.</param>
public readonly record struct OperatorTotals(long Calls, double Seconds, double Bytes, double Flops, double Roofline)
{
    /// <summary>Both together.</summary>
    public static OperatorTotals operator +(OperatorTotals a, OperatorTotals b) =>
        new(a.Calls + b.Calls, a.Seconds + b.Seconds, a.Bytes + b.Bytes, a.Flops + b.Flops, a.Roofline + b.Roofline);
}

/// <summary>Notes what the operators of a step did; what that is of a roofline is computed afterwards, when the machine's limits are known.</summary>
public sealed class OperatorMeter
{
    private readonly List<(string Name, double Seconds, OperatorCost Cost)> _calls = [];

    /// <summary>Forgets everything.</summary>
    public void Clear() => _calls.Clear();

    /// <summary>Notes one call.</summary>
    /// <param name="name">The operator.</param>
    /// <param name="started">When it began (<see cref="Stopwatch.GetTimestamp"/>).</param>
    /// <param name="cost">What it had to do.</param>
    public void Add(string name, long started, OperatorCost cost) => _calls.Add((name, Stopwatch.GetElapsedTime(started).TotalSeconds, cost));

    /// <summary>The calls by operator.</summary>
    /// <param name="limits">What the machine could do.</param>
    public IReadOnlyDictionary<string, OperatorTotals> Totals(MachineLimits limits)
    {
        Dictionary<string, OperatorTotals> totals = [];
        foreach ((string name, double seconds, OperatorCost cost) in _calls)
        {
            totals[name] = totals.GetValueOrDefault(name) + new OperatorTotals(1, seconds, cost.Bytes, cost.Flops, limits.Roofline(cost));
        }

        return totals;
    }
}
