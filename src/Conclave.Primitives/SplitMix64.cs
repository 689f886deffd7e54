namespace Conclave.Primitives;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators") read at any position: a number depends on its stream and its place in it only,
/// however often and in whatever order numbers are drawn.
/// </summary>
public static class SplitMix64
{
    /// <summary>The step of the generator's state: 2⁶⁴ ÷ the golden ratio, made odd.</summary>
    public const ulong Gamma = 0x9E3779B97F4A7C15;

    /// <summary>The number at place <paramref name="counter"/> of the stream <paramref name="key"/>.</summary>
    public static ulong At(ulong key, ulong counter) => Mix(key + ((counter + 1) * Gamma));

    /// <summary>The same number mapped evenly to 0 … <paramref name="count"/> − 1 (Lemire's multiplication; with a bias of 2⁻³²).</summary>
    public static int Below(ulong key, ulong counter, int count) => (int)(((At(key, counter) >> 32) * (ulong)count) >> 32);

    /// <summary>The same number mapped to [0, 1), a multiple of 2⁻⁵³.</summary>
    public static double Uniform(ulong key, ulong counter) => (At(key, counter) >> 11) * (1.0 / (1UL << 53));

    /// <summary>The generator's finalizer: one bit more or less changes half of the result's.</summary>
    public static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
