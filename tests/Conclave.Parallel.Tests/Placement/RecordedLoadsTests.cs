using System.Text.Json;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Placement;
using Conclave.Testing;

namespace Conclave.Parallel.Tests.Placement;

/// <summary>What fable's experts had to do in six windows of English and five of Chinese, recorded by bench/Placement: each window planned on those before it.</summary>
public sealed class RecordedLoadsTests
{
    private const int Shift = 6;
    private static readonly PlacementShape Shape = new(experts: 64, slots: 80, groups: 8, hosts: 1, ranks: 8);
    private static readonly ExpertLoads[] Windows = [.. File.ReadLines(Repository.Data("placement", "fable-loads.jsonl")).Select(Read)];

    [Theory]
    [InlineData(null)]
    [InlineData(32)]
    public void Load_stays_even_and_is_again_two_windows_after_the_language_changed(int? budget)
    {
        (double[] always, int copies) = Replay(budget, (_, planned, _) => planned);
        (double[] worthwhile, int fewer) = Replay(budget, LeastGain.Apply);
        foreach (double[] over in new[] { always, worthwhile })
        {
            double[] steady = [.. over[1..Shift].Concat(over[(Shift + 1)..]).Order()];
            Assert.InRange(steady[steady.Length / 2], 0, 0.05);
            Assert.InRange(over[Shift], 0.10, 1);
            Assert.InRange(over[Shift + 1], 0, 0.10);
        }

        // 285 and 144 with a budget, without one 2034 and 644.
        Assert.InRange(fewer, 1, copies * 6 / 10);
    }

    /// <summary>What is in force in each window is planned on those before it; before the first one experts are in order, and with a budget the first plans are on the way from there.</summary>
    /// <returns>Max/mean − 1 of each window, averaged over layers, and how many experts were copied.</returns>
    private static (double[] Over, int Copies) Replay(int? budget, Func<ExpertPlacement, ExpertPlacement, ExpertLoads, ExpertPlacement> choose)
    {
        double[] over = new double[Windows.Length];
        int copies = 0;
        ExpertPlacement placement = ExpertPlacement.InOrder(Shape, Windows[0].Layers);
        ExpertLoads? past = null;
        for (int window = 0; window + 1 < Windows.Length; window++)
        {
            past = LoadHistory.Blend(past, Windows[window]);
            ExpertPlacement next = choose(placement, PlacementPlanner.Plan(Shape, past, placement, budget), past);
            copies += next.CopiesFrom(placement);
            placement = next;
            over[window + 1] = Enumerable.Range(0, placement.Layers).Average(layer => LoadBalance.MaxOverMean(placement, Windows[window + 1], layer)) - 1;
        }

        return (over, copies);
    }

    private static ExpertLoads Read(string line)
    {
        double[][] loads = JsonDocument.Parse(line).RootElement.GetProperty("loads").Deserialize<double[][]>()!;
        return new ExpertLoads(loads.Length, loads[0].Length, [.. loads.SelectMany(layer => layer)]);
    }
}
