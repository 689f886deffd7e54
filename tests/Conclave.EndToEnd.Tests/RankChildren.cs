using System.Diagnostics;
using System.Globalization;

namespace Conclave.EndToEnd.Tests;

/// <summary>The rank processes that a launch has started, as /proc shows them.</summary>
internal static class RankChildren
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Waits until the launch has so many.</summary>
    /// <returns>Process ids by rank.</returns>
    public static SortedDictionary<int, int> WaitFor(int launcher, int ranks)
    {
        SortedDictionary<int, int> found = [];
        WaitUntil(() => (found = Find(launcher)).Count == ranks, () => $"{found.Count} of {ranks} ranks were started");
        return found;
    }

    private static void WaitUntil(Func<bool> condition, Func<string> otherwise)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, otherwise());
            Thread.Sleep(10);
        }
    }

    /// <summary>Waits until none of these runs any more.</summary>
    public static void WaitForEnd(IEnumerable<int> processes)
    {
        int[] left = [];
        WaitUntil(() => (left = [.. processes.Where(id => RankOf(id) is not null)]).Length == 0, () => $"{left.Length} ranks still run");
    }

    private static SortedDictionary<int, int> Find(int launcher)
    {
        SortedDictionary<int, int> found = [];
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), out int id) && RankOf(id) is { } rank && DescendsFrom(id, launcher))
            {
                found[rank] = id;
            }
        }

        return found;
    }

    /// <summary>The rank that a process is; null where it is none or has ended.</summary>
    private static int? RankOf(int process)
    {
        string[] words = Read($"/proc/{process}/cmdline").Split('\0');
        int at = Array.IndexOf(words, "--rank");
        return at > 0 && words.Contains("--control") ? int.Parse(words[at + 1], CultureInfo.InvariantCulture) : null;
    }

    // Agents of hosts stand between.
    private static bool DescendsFrom(int process, int ancestor)
    {
        while (process > 1 && process != ancestor)
        {
            process = Parent(process);
        }

        return process == ancestor;
    }

    /// <summary>Who has started a process.</summary>
    // "123 (name) S 45 …": the name may hold anything but a last bracket.
    public static int Parent(int process)
    {
        string stat = Read($"/proc/{process}/stat");
        string[] words = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words.Length > 1 ? int.Parse(words[1], CultureInfo.InvariantCulture) : 0;
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended.
            return "";
        }
    }
}
