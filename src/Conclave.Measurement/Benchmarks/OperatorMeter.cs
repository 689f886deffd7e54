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

/// <summary>Adds up what the operators of a step did, by name.</summary>
public sealed class OperatorMeter
{
    private readonly Dictionary<string, OperatorTotals> _operators = [];

    /// <summary>The limits that rooflines are computed with.</summary>
    public MachineLimits Limits { get; set; }

    /// <summary>By operator.</summary>
    public IReadOnlyDictionary<string, OperatorTotals> Operators => _operators;

    /// <summary>All operators together.</summary>
    public OperatorTotals Total => _operators.Values.Aggregate(default(OperatorTotals), static (sum, one) => sum + one);

    /// <summary>Forgets everything.</summary>
    public void Clear() => _operators.Clear();

    /// <summary>Adds one call.</summary>
    /// <param name="name">The operator.</param>
    /// <param name="started">When it began (<see cref="Stopwatch.GetTimestamp"/>).</param>
    /// <param name="bytes">Bytes that it had to read.</param>
    /// <param name="flops">Operations that it had to do.</param>
    public void Add(string name, long started, double bytes, double flops)
    {
        OperatorTotals call = new(1, Stopwatch.GetElapsedTime(started).TotalSeconds, bytes, flops, Limits.Roofline(bytes, flops));
        _operators[name] = _operators.GetValueOrDefault(name) + call;
    }
}
