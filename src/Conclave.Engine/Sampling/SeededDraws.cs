namespace Conclave.Engine;

/// <summary>
/// Random numbers as a pure function of seed and position (a counter-based generator: SplitMix64, Steele, Lea, Flood 2014, whose state is
/// the counter). Position i draws the same number however often, and in whatever company, it is drawn: a request that was preempted and
/// computed again repeats its text.
/// </summary>
internal static class SeededDraws
{
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;

    /// <summary>A number in [0, 1), a multiple of 2⁻⁵³.</summary>
    public static double Uniform(long seed, long position)
    {
        // The seed is mixed first: the streams of neighbouring seeds would otherwise be shifted copies of each other for seeds that differ
        // by a multiple of the step.
        ulong start = Mix((ulong)seed ^ GoldenGamma);
        ulong bits = Mix(start + (((ulong)position + 1) * GoldenGamma));
        return (bits >> 11) * (1.0 / (1UL << 53));
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
