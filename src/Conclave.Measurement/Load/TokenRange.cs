using Conclave.Primitives;

namespace Conclave.Measurement.Load;

/// <summary>How many tokens: a number drawn evenly from a range.</summary>
/// <param name="Least">The smallest, at least 1.</param>
/// <param name="Most">The largest, at least <paramref name="Least"/>.</param>
public readonly record struct TokenRange(int Least, int Most)
{
    internal int Draw(ulong key, ulong counter) => Least + SplitMix64.Below(key, counter, Most - Least + 1);
}
