using System.Globalization;

namespace Conclave.Testing;

/// <summary>What this process's tables hold.</summary>
public static class ProcessMemory
{
    /// <summary>KiB of a file's mappings that are in the tables (proc_pid_smaps(5), Rss).</summary>
    public static long ResidentKilobytes(string file) => Kilobytes(file, "Rss:");

    /// <summary>KiB of these that are mapped as huge pages (FilePmdMapped).</summary>
    public static long HugeKilobytes(string file) => Kilobytes(file, "FilePmdMapped:");

    private static long Kilobytes(string file, string field)
    {
        long sum = 0;
        bool isFile = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            isFile = words[0].EndsWith(':') ? isFile : words[^1] == file;
            sum += isFile && words[0] == field ? long.Parse(words[1], CultureInfo.InvariantCulture) : 0;
        }

        return sum;
    }
}
