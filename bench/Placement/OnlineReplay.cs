using System.Diagnostics;
using Conclave.Engine;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Placement;
using Conclave.Testing;
using Conclave.Transport;
using Conclave.Transport.InProcess;

namespace Conclave.Bench.Placements;

/// <summary>
/// Balancing while a model runs: 8 ranks in one process read what fable wrote, English first and then Chinese, 16 texts on each rank at a time; 80 slots. For each window: how
/// unevenly its tokens would load ranks without replicas, by EPLB planned on the window before, and by the placement at its end, and how unevenly ranks were loaded in fact. Then
/// what steps took while experts moved, and while not.
/// </summary>
internal sealed class OnlineReplay(int windowTokens, int english, int chinese)
{
    private const int Ranks = 8;
    private const int Slots = 80;
    private const int TextsOfRank = 16;
    private const int Pool = 96;
    private const int WarmUp = 50;

    private readonly int _stepsOfWindow = Math.Max(1, windowTokens / (Ranks * TextsOfRank));
    private readonly Topology _topology = Topology.Even(Ranks, 1);

    public async Task PrintAsync()
    {
        int[][] stories;
        int[][] poems;
        int experts;
        int layers;
        using (LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions { Contexts = 64 }))
        using (InferenceEngine engine = new(model, new EngineOptions { MaxRunning = 64 }))
        {
            Writer writer = new(model, engine);
            stories = await Task.WhenAll(Enumerable.Range(0, Pool).Select(_ => writer.WriteAsync(Prompts.Story))).ConfigureAwait(false);
            poems = await Task.WhenAll(Enumerable.Range(0, Pool).Select(_ => writer.WriteAsync(Prompts.Poem))).ConfigureAwait(false);
            experts = model.Model.Config.RoutedExperts;
            layers = model.Model.Config.IsMoeLayer.Count(isMoe => isMoe);
        }

        PlacementShape shape = new(experts, Slots, groups: 8, hosts: 1, Ranks);
        ExpertPlacement start = ExpertPlacement.InOrder(shape, layers);
        Run still = Read(start, null, stories, poems);
        Run moved = Read(start, new BalancerOptions { WindowTokens = windowTokens }, stories, poems);
        PrintBalance(shape, moved);
        PrintDelays(still, moved);
    }

    private Run Read(ExpertPlacement start, BalancerOptions? balancing, int[][] stories, int[][] poems)
    {
        int windows = english + chinese;
        Run run = new(windows, Ranks, _stepsOfWindow);
        using InProcessFabric fabric = new(_topology, new TransportOptions());
        Thread[] threads = [.. Enumerable.Range(0, Ranks).Select(number => new Thread(() =>
        {
            using ReplayRank rank = new(Repository.Fable, fabric[number], _topology, start, TextsOfRank, balancing);
            long before = 0;
            for (int step = 0; step < windows * _stepsOfWindow; step++)
            {
                bool moves = rank.Balancer?.IsRebalancing == true;
                long called = Stopwatch.GetTimestamp();
                rank.Balancer?.BetweenSteps();
                run.InCalls[number][step] = Stopwatch.GetElapsedTime(called).TotalMilliseconds;
                int window = step / _stepsOfWindow;
                if (step == english * _stepsOfWindow)
                {
                    rank.DropTexts();
                }

                rank.Step(window < english ? stories : poems);
                if ((step + 1) % _stepsOfWindow == 0)
                {
                    run.Take(window, number, rank);
                }

                if (number == 0)
                {
                    long now = Stopwatch.GetTimestamp();
                    run.Milliseconds[step] = before == 0 ? 0 : Stopwatch.GetElapsedTime(before, now).TotalMilliseconds;
                    run.Moves[step] = moves || rank.Balancer?.IsRebalancing == true;
                    before = now;
                }
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        return run;
    }

    private void PrintBalance(PlacementShape shape, Run run)
    {
        ExpertLoads[] windows = [.. Enumerable.Range(0, english + chinese).Select(run.Loads)];
        int layers = windows[0].Layers;
        ExpertPlacement fixedPlacement = ExpertPlacement.InOrder(new PlacementShape(shape.Experts, shape.Experts, shape.Groups, 1, Ranks), layers);
        Console.WriteLine(
            $"windows of {windowTokens} tokens; max/mean − 1 by layer, averaged\n{"window",-14}{"static",10}{"EPLB",10}{"in force",10}{"ranks did",11}{"bound",10}{"epoch",8}");
        for (int i = 1; i < windows.Length; i++)
        {
            double bound = Enumerable.Range(0, layers).Average(layer => LoadBalance.LowerBound(shape, windows[i].Layer(layer))) - 1;
            ExpertPlacement inForce = run.Placements[i]!;
            Console.WriteLine($"{i,-4}{(i < english ? "english" : "chinese"),-10}{Evenly(fixedPlacement, windows[i]),10:P2}"
                + $"{Evenly(Eplb.Plan(shape, windows[i - 1]), windows[i]),10:P2}{Evenly(inForce, windows[i]),10:P2}{run.Unevenness(i),11:P2}{bound,10:P2}{inForce.Epoch,8}");
        }
    }

    private static void PrintDelays(Run still, Run moved)
    {
        double[] alone = [.. still.Milliseconds[WarmUp..].Order()];
        double[] quiet = [.. moved.Milliseconds.Where((_, step) => step >= WarmUp && !moved.Moves[step]).Order()];
        double[] moving = [.. moved.Milliseconds.Where((_, step) => step >= WarmUp && moved.Moves[step]).Order()];
        double[] calls =
        [
            .. Enumerable.Range(WarmUp, moved.Moves.Length - WarmUp).Where(step => moved.Moves[step]).Select(step => moved.InCalls.Max(rank => rank[step])).Order(),
        ];
        double[] all = [.. quiet.Concat(moving).Order()];
        Console.WriteLine($"{"steps",-34}{"number",8}{"median ms",11}{"p99 ms",9}{"longest",9}");
        foreach ((string name, double[] times) in new[]
        {
            ("without balancer", alone), ("with balancer, all", all), ("  nothing under way", quiet), ("  planning, preparing, switching", moving),
            ("    slowest rank's BetweenSteps", calls),
        })
        {
            Console.WriteLine($"{name,-34}{times.Length,8}{Part(times, 0.5),11:F2}{Part(times, 0.99),9:F2}{Part(times, 1),9:F2}");
        }

        double median = Part(alone, 0.5);
        Console.WriteLine(
            $"p99 added by rebalancing, in median steps: {(Part(moving, 0.99) - Part(quiet, 0.99)) / median:F2} against quiet steps, "
            + $"{(Part(all, 0.99) - Part(alone, 0.99)) / median:F2} against no balancer");
    }

    private static double Part(double[] sorted, double part) => sorted.Length == 0 ? double.NaN : sorted[(int)Math.Ceiling((sorted.Length - 1) * part)];

    private static double Evenly(ExpertPlacement placement, ExpertLoads loads) =>
        Enumerable.Range(0, loads.Layers).Average(layer => LoadBalance.MaxOverMean(placement, loads, layer)) - 1;

    /// <summary>What a run left behind.</summary>
    private sealed class Run(int windows, int ranks, int stepsOfWindow)
    {
        private readonly long[][][][] _chosen = [.. Enumerable.Range(0, windows).Select(_ => new long[ranks][][])];
        private readonly long[][][] _rows = [.. Enumerable.Range(0, windows).Select(_ => new long[ranks][])];

        public double[] Milliseconds { get; } = new double[windows * stepsOfWindow];

        /// <summary>Milliseconds of each rank in the balancer, by step.</summary>
        public double[][] InCalls { get; } = [.. Enumerable.Range(0, ranks).Select(_ => new double[windows * stepsOfWindow])];

        /// <summary>Whether a placement was planned, prepared or switched to in a step.</summary>
        public bool[] Moves { get; } = new bool[windows * stepsOfWindow];

        /// <summary>What was in force at a window's end.</summary>
        public ExpertPlacement?[] Placements { get; } = new ExpertPlacement?[windows];

        public void Take(int window, int number, ReplayRank rank)
        {
            _chosen[window][number] = [.. rank.Chosen.Where(layer => layer.Length > 0).Select(layer => layer.ToArray())];
            _rows[window][number] = [.. rank.Rows];
            Array.ForEach(rank.Chosen, Array.Clear);
            Array.Clear(rank.Rows);
            if (number == 0)
            {
                Placements[window] = rank.Balancer?.Placement;
            }
        }

        public ExpertLoads Loads(int window)
        {
            long[][][] chosen = _chosen[window];
            return new ExpertLoads(
                chosen[0].Length,
                chosen[0][0].Length,
                [
                    .. Enumerable.Range(0, chosen[0].Length)
                        .SelectMany(layer => chosen[0][layer].Select((_, expert) => (double)chosen.Sum(rank => rank[layer][expert]))),
                ]);
        }

        /// <summary>Max/mean − 1 of the rows that ranks computed, averaged over layers.</summary>
        public double Unevenness(int window)
        {
            long[][] rows = _rows[window];
            return Enumerable.Range(0, rows[0].Length).Where(layer => rows[0][layer] > 0)
                .Average(layer => LoadBalance.MaxOverMean([.. rows.Select(rank => (double)rank[layer])])) - 1;
        }
    }
}
