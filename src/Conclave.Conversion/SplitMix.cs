namespace Conclave.Conversion;

/// <summary>SplitMix64 (Steele, Lea and Flood 2014) read at any position: the value depends on key and counter only.</summary>
internal static class SplitMix
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>The number at place <paramref name="counter"/> of the stream <paramref name="key"/>.</summary>
    public static ulong At(ulong key, ulong counter) => Mix(key + ((counter + 1) * Golden));

    /// <summary>The key of a named stream: FNV-1a over the name's UTF-16 units, mixed with the seed.</summary>
    public static ulong Key(ulong seed, string name)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (char c in name)
        {
            hash = (hash ^ c) * 0x100000001B3;
        }

        return Mix(hash ^ Mix(seed + Golden));
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
