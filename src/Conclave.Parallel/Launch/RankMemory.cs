using System.Globalization;

namespace Conclave.Parallel.Launch;

/// <summary>Physical memory of a process.</summary>
/// <param name="Resident">All of it, mapped weights included; 0 where it is not known or counted with another rank.</param>
/// <param name="Own">Without pages of files; memory that ranks share among themselves included.</param>
public readonly record struct RankMemory(long Resident, long Own)
{
    private const long Kilobyte = 1 << 10;

    /// <summary>That of this process now.</summary>
    public static RankMemory OfThisProcess()
    {
        try
        {
            long resident = 0;
            long own = 0;
            foreach (string line in File.ReadLines("/proc/self/status"))
            {
                resident = line.StartsWith("VmRSS:", StringComparison.Ordinal) ? Parse(line) : resident;
                own += line.StartsWith("RssAnon:", StringComparison.Ordinal) || line.StartsWith("RssShmem:", StringComparison.Ordinal) ? Parse(line) : 0;
            }

            return new RankMemory(resident, own);
        }
        catch (IOException)
        {
            // Not Linux.
            return default;
        }
    }

    // "VmRSS:	   62844 kB"
    private static long Parse(string line) =>
        long.Parse(line.AsSpan(line.IndexOf(':') + 1, line.Length - line.IndexOf(':') - 4), NumberStyles.AllowLeadingWhite) * Kilobyte;
}
