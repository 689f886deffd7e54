using Conclave.Primitives;

namespace Conclave.Engine;

/// <summary>
/// Random numbers as a pure function of seed and position. Position i draws the same number however often, and in whatever company, it is drawn: a request that was
/// preempted and computed again repeats its text.
/// </summary>
internal static class SeededDraws
{
    /// <summary>A number in [0, 1), a multiple of 2⁻⁵³.</summary>
    public static double Uniform(long seed, long position)
    {
        // The streams of seeds that differ by a multiple of the step would otherwise be shifted copies of each other.
        ulong key = SplitMix64.Mix((ulong)seed ^ SplitMix64.Gamma);
        return SplitMix64.Uniform(key, (ulong)position);
    }
}
