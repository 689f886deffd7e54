using System.Diagnostics;

namespace Conclave.Benchmarks.Kernels;

/// <summary>Timing on a machine with neighbours: many short runs, of which the best was disturbed least.</summary>
internal static class Stopwatches
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    /// <summary>Seconds of the best run; the action is told which run it is.</summary>
    public static double Best(int runs, Action<int> action)
    {
        action(0);
        double best = double.PositiveInfinity;
        long begin = Stopwatch.GetTimestamp();
        for (int run = 1; run <= runs && (run <= 3 || Stopwatch.GetElapsedTime(begin) < Limit); run++)
        {
            long start = Stopwatch.GetTimestamp();
            action(run);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }
}
