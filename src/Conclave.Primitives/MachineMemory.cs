using System.Globalization;

namespace Conclave.Primitives;

/// <summary>How much memory a process may use. The runtime's own number is that of its heap, in a container three quarters of what the container has; weights and caches lie outside it.</summary>
public static class MachineMemory
{
    /// <summary>Bytes of the machine's memory, or of the control group's that this process is in where they are fewer (Linux; elsewhere what the runtime says).</summary>
    public static long Limit { get; } = Find("/") ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>The limit as the files of proc and sys below a folder tell it; null where there are none.</summary>
    internal static long? Find(string root)
    {
        long? least = Lines(Path.Combine(root, "proc/meminfo"))
            .Where(line => line.StartsWith("MemTotal:", StringComparison.Ordinal))
            .Select(line => Number(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024)
            .FirstOrDefault();
        foreach (string line in Lines(Path.Combine(root, "proc/self/cgroup")))
        {
            // "0::/path" (version 2), "9:memory:/path" (version 1). A group has no more than the groups that it is in.
            if (line.Split(':', 3) is not [_, string controllers, string path] || (controllers.Length > 0 && !controllers.Split(',').Contains("memory")))
            {
                continue;
            }

            (string folder, string file) = controllers.Length == 0 ? ("sys/fs/cgroup", "memory.max") : ("sys/fs/cgroup/memory", "memory.limit_in_bytes");
            string[] groups = [.. path.Split('/', StringSplitOptions.RemoveEmptyEntries).TakeWhile(name => name != "..")];
            for (int depth = 0; depth <= groups.Length; depth++)
            {
                long? limit = Number(Lines(Path.Combine([root, folder, .. groups[..depth], file])).FirstOrDefault());
                least = limit < (least ?? long.MaxValue) ? limit : least;
            }
        }

        return least;
    }

    private static long? Number(string? text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;

    private static string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // There is none, or it may not be read: then it limits nothing that is known.
            return [];
        }
    }
}
