using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;
using Conclave.Transport;

namespace Conclave.Bench.Placements;

/// <summary>
/// Placements planned on each window of a recording and scored on the next: max/mean − 1 of the load of 8 ranks on one host, averaged over layers; 80
/// slots, where a placement has replicas. "evenly": an expert's tokens are divided evenly over its replicas; "chosen": each of 8 sources chooses for each of
/// its tokens by what it has given each rank in the same dispatch of 64 tokens. "worthwhile" is what a launch does without a budget: layers change that gain enough.
/// </summary>
internal static class BalanceReplay
{
    // 64 tokens of fable.
    private const int ChoicesOfDispatch = 64 * 6;
    private const int Ranks = 8;
    private const int Slots = 80;
    private const int Budget = 32;
    private static readonly string[] Names =
    [
        "static", "EPLB evenly", "EPLB chosen", "conclave evenly", "conclave chosen", $"budget {Budget} evenly", $"budget {Budget} chosen", "worthwhile evenly", "worthwhile chosen", "bound",
    ];

    public static void Print(IReadOnlyList<LoadWindow> windows)
    {
        int layers = windows[0].Loads.Layers;
        int experts = windows[0].Loads.Experts;
        PlacementShape shape = new(experts, Slots, groups: 8, hosts: 1, Ranks);
        ExpertPlacement fixedPlacement = ExpertPlacement.InOrder(new PlacementShape(experts, experts, groups: 8, hosts: 1, Ranks), layers);
        ExpertPlacement free = ExpertPlacement.InOrder(shape, layers);
        ExpertPlacement limited = free;
        ExpertPlacement moved = free;
        ExpertLoads? past = null;
        List<(string Kind, double[] Scores)> rows = [];
        Console.WriteLine($"{"planned on",-14}{"scored on",-14}{string.Concat(Names.Select(name => $"{name,18}"))}{"copies",8}{"budget",8}{"worthwhile",12}");
        for (int i = 0; i + 1 < windows.Count; i++)
        {
            ExpertLoads next = windows[i + 1].Loads;
            past = LoadHistory.Blend(past, windows[i].Loads);
            ExpertPlacement published = Eplb.Plan(shape, windows[i].Loads);
            ExpertPlacement ours = PlacementPlanner.Plan(shape, past, free);
            ExpertPlacement within = PlacementPlanner.Plan(shape, past, limited, Budget);
            ExpertPlacement worthwhile = LeastGain.Apply(moved, PlacementPlanner.Plan(shape, past, moved), past);
            double[] scores =
            [
                Evenly(fixedPlacement, next), Evenly(published, next), Chosen(published, next), Evenly(ours, next), Chosen(ours, next),
                Evenly(within, next), Chosen(within, next), Evenly(worthwhile, next), Chosen(worthwhile, next),
                Enumerable.Range(0, layers).Average(layer => LoadBalance.LowerBound(shape, next.Layer(layer))) - 1,
            ];
            Console.WriteLine(
                $"{windows[i].Text,-10}{i,-4}{windows[i + 1].Text,-10}{i + 1,-4}{Columns(scores)}{ours.CopiesFrom(free),8}{within.CopiesFrom(limited),8}{worthwhile.CopiesFrom(moved),12}");
            rows.Add((windows[i].Text == windows[i + 1].Text ? windows[i].Text : "shift", scores));
            (free, limited, moved) = (ours, within, worthwhile);
        }

        foreach (string kind in rows.Select(row => row.Kind).Where(kind => kind != "shift").Distinct())
        {
            double[][] scores = [.. rows.Where(row => row.Kind == kind).Select(row => row.Scores)];
            Console.WriteLine($"{"median " + kind,-28}{Columns([.. Names.Select((_, column) => Median(scores.Select(row => row[column])))])}");
        }
    }

    private static string Columns(double[] scores) => string.Concat(scores.Select(score => $"{score,18:P2}"));

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static double Evenly(ExpertPlacement placement, ExpertLoads loads) =>
        Enumerable.Range(0, loads.Layers).Average(layer => LoadBalance.MaxOverMean(placement, loads, layer)) - 1;

    private static double Chosen(ExpertPlacement placement, ExpertLoads loads) =>
        Enumerable.Range(0, loads.Layers).Average(layer => Chosen(placement, loads, layer)) - 1;

    private static double Chosen(ExpertPlacement placement, ExpertLoads loads, int layer)
    {
        // The recording has no order of tokens; any is as good as another.
        int[] calls = [.. loads.Layer(layer).ToArray().SelectMany((load, expert) => Enumerable.Repeat(expert, (int)load))];
        new Random(layer).Shuffle(calls);
        long[] given = new long[Ranks];
        double[] ranks = new double[Ranks];
        SlotMap slots = new(Ranks, [.. Enumerable.Range(0, placement.Shape.Slots).Select(placement.RankOf)], placement.Experts(layer));
        HostMap hosts = new(Topology.Even(Ranks, 1));
        foreach ((int dispatch, int[] chosen) in calls.Chunk(ChoicesOfDispatch).Index())
        {
            // As the exchange does: each dispatch for itself, experts that leave no choice first.
            Array.Clear(given);
            foreach (int expert in chosen.OrderBy(expert => slots.Replicas(expert).Length > 1))
            {
                int rank = slots.RankOf(ReplicaChoice.Choose(slots, hosts, expert, dispatch % Ranks, allHostsHaveTokens: true, given));
                given[rank]++;
                ranks[rank]++;
            }
        }

        return LoadBalance.MaxOverMean(ranks);
    }
}
