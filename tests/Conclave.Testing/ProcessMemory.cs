using System.Globalization;

namespace Conclave.Testing;

/// <summary>What a process's tables hold.</summary>
public static class ProcessMemory
{
    /// <summary>KiB of a file's mappings that are in the tables of this process (proc_pid_smaps(5), Rss).</summary>
    public static long ResidentKilobytes(string file) => ResidentKilobytes(file, Environment.ProcessId);

    /// <summary>KiB of a file's mappings that are in the tables of a process.</summary>
    public static long ResidentKilobytes(string file, int process) => Kilobytes(file, process, "Rss:");

    /// <summary>KiB of this process's mappings of a file that are huge pages (FilePmdMapped).</summary>
    public static long HugeKilobytes(string file) => Kilobytes(file, Environment.ProcessId, "FilePmdMapped:");

    private static long Kilobytes(string file, int process, string field)
    {
        long sum = 0;
        bool isFile = false;
        foreach (string line in File.ReadLines($"/proc/{process}/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            isFile = words[0].EndsWith(':') ? isFile : words[^1] == file;
            sum += isFile && words[0] == field ? long.Parse(words[1], CultureInfo.InvariantCulture) : 0;
        }

        return sum;
    }
}
