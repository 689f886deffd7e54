using System.Diagnostics;
using Conclave.Parallel.Placement;

namespace Conclave.Bench.Placements;

/// <summary>How long a placement of DeepSeek-V3 takes: 58 layers of 256 experts in 8 groups, 288 slots, 32 ranks on 4 hosts; loads are log-normal.</summary>
internal static class PlanningTime
{
    private const int Layers = 58;
    private const int Experts = 256;
    private const int WarmUp = 200;
    private const int Rounds = 101;

    public static void Print()
    {
        PlacementShape shape = new(Experts, slots: 288, groups: 8, hosts: 4, ranks: 32);
        Random random = new(1);
        ExpertLoads loads = Draw(random);
        ExpertLoads later = Draw(random);
        ExpertPlacement start = PlacementPlanner.Plan(shape, loads);
        double[] published = new double[Rounds];
        double[] ours = new double[Rounds];
        double[] anew = new double[Rounds];
        double[] moves = new double[Rounds];
        for (int round = -WarmUp; round < Rounds; round++)
        {
            // In turns, so that what slows the machine slows both.
            int kept = Math.Max(round, 0);
            published[kept] = Time(() => Eplb.Plan(shape, loads));
            ours[kept] = Time(() => PlacementPlanner.Plan(shape, loads));
            anew[kept] = Time(() => PlacementPlanner.Plan(shape, later, start));
        }

        for (int round = -WarmUp; round < Rounds; round++)
        {
            int kept = Math.Max(round, 0);
            moves[kept] = Time(() => PlacementPlanner.Plan(shape, later, start, moveBudget: 256));
        }

        Array.Sort(published);
        Array.Sort(ours);
        Array.Sort(anew);
        Array.Sort(moves);
        Console.WriteLine($"planning {Layers} × {Experts} experts → 288 slots on 32 ranks, median of {Rounds} rounds in turns:");
        Console.WriteLine($"EPLB {published[Rounds / 2]:F2} ms (max/mean {Mean(Eplb.Plan(shape, loads), loads):F4}), "
            + $"conclave {ours[Rounds / 2]:F2} ms ({Mean(start, loads):F4}), {ours[Rounds / 2] / published[Rounds / 2]:F2} × EPLB (the fastest rounds: {ours[0] / published[0]:F2} ×); "
            + $"with a previous placement, as while running, {anew[Rounds / 2]:F2} ms, {anew[Rounds / 2] / published[Rounds / 2]:F2} × (the fastest rounds: {anew[0] / published[0]:F2} ×); "
            + $"with a budget of 256 moves to other loads {moves[Rounds / 2]:F2} ms");
    }

    private static double Mean(ExpertPlacement placement, ExpertLoads loads) =>
        Enumerable.Range(0, loads.Layers).Average(layer => LoadBalance.MaxOverMean(placement, loads, layer));

    private static double Time(Func<ExpertPlacement> plan)
    {
        long start = Stopwatch.GetTimestamp();
        plan();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static ExpertLoads Draw(Random random)
    {
        double[] loads = new double[Layers * Experts];
        for (int i = 0; i < loads.Length; i++)
        {
            // Box-Muller.
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            loads[i] = Math.Round(10_000 * Math.Exp(normal));
        }

        return new ExpertLoads(Layers, Experts, loads);
    }
}
