using System.Globalization;

namespace Conclave.Testing;

/// <summary>What this process's tables hold.</summary>
public static class ProcessMemory
{
    /// <summary>KiB of a file's mappings that are in the tables (proc_pid_smaps(5), Rss).</summary>
    public static long ResidentKilobytes(string file)
    {
        long resident = 0;
        bool isFile = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            isFile = words[0].EndsWith(':') ? isFile : words[^1] == file;
            resident += isFile && words[0] == "Rss:" ? long.Parse(words[1], CultureInfo.InvariantCulture) : 0;
        }

        return resident;
    }
}
