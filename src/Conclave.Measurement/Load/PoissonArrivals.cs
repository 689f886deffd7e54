using Conclave.Primitives;

namespace Conclave.Measurement.Load;

/// <summary>Arrivals that know nothing of each other: the gaps between them are distributed exponentially.</summary>
public static class PoissonArrivals
{
    /// <summary>Times from the start of the measurement, without end: t(i) = t(i−1) − ln(1 − u) ÷ rate with u drawn evenly from [0, 1).</summary>
    /// <param name="rate">Mean arrivals a second, above 0.</param>
    /// <param name="seed">The same seed gives the same times.</param>
    public static IEnumerable<TimeSpan> Times(double rate, int seed)
    {
        ulong key = SplitMix64.At((ulong)seed, 5);
        double seconds = 0;
        for (ulong i = 0; ; i++)
        {
            seconds -= Math.Log(1 - SplitMix64.Uniform(key, i)) / rate;
            yield return TimeSpan.FromSeconds(seconds);
        }
    }
}
