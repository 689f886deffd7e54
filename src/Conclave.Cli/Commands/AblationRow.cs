using Conclave.Kernels;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Launch;

namespace Conclave.Cli.Commands;

/// <summary>A row of the ablation: everything that is switched on.</summary>
/// <param name="Name">The last of its switches.</param>
/// <param name="Exchange">How tokens travel.</param>
/// <param name="Balancing">Whether experts move, and the hot ones get replicas.</param>
/// <param name="FusedPrepare">Whether the operator before attention is one.</param>
/// <param name="Overlap">Whether tokens travel under computation.</param>
/// <param name="Batching">Whether answers are computed together.</param>
/// <param name="DataParallel">Whether requests are divided over as many ranks as there are cores.</param>
internal sealed record AblationRow(string Name, ExchangeOptions Exchange, bool Balancing, bool FusedPrepare, bool Overlap, bool Batching, bool DataParallel)
{
    // As many as the 32 requests of two rounds have by default: when rounds are measured experts have moved once.
    private const int LoadsWindow = 2048;

    private static readonly AblationRow Naive = new("naive", ExchangeOptions.Flat, false, false, false, false, false);

    /// <summary>One switch at a time.</summary>
    /// <param name="batching">Whether answers are computed together in all rows, not in the last ones only.</param>
    public static AblationRow[] Table(bool batching)
    {
        AblationRow naive = Naive with { Batching = batching };
        AblationRow twoHops = naive with
        {
            Name = "two hops", Exchange = new ExchangeOptions(ExchangePath.TwoHop, PayloadFormat.BF16, PayloadFormat.BF16, CombineReduction.InHost),
        };
        AblationRow fp8 = twoHops with { Name = "FP8 to the experts", Exchange = ExchangeOptions.Fast(PayloadFormat.BF16) };
        AblationRow balancing = fp8 with { Name = "balancing", Balancing = true };
        AblationRow prepare = balancing with { Name = "prepare as one operator", FusedPrepare = true };
        AblationRow overlap = prepare with { Name = "overlap", Overlap = true };
        AblationRow batched = overlap with { Name = "batching", Batching = true };
        AblationRow groups = batched with { Name = "data-parallel attention", DataParallel = true };
        AblationRow[] rows = [naive, twoHops, fp8, balancing, prepare, overlap];
        return batching ? [.. rows, groups] : [.. rows, batched, groups];
    }

    /// <summary>The world of the row.</summary>
    /// <param name="ranks">Number of ranks.</param>
    /// <param name="hosts">Number of hosts.</param>
    /// <param name="experts">Routed experts of the model.</param>
    public WorldPlan Plan(int ranks, int hosts, int experts) => new(ranks, hosts, Exchange, 1)
    {
        DataParallel = Groups(ranks),
        DivideFrom = Overlap ? WorldPlan.DefaultDivideFrom : null,
        Slots = Balancing ? ((experts + ranks - 1) / ranks + 1) * ranks : null,
        Balancing = new BalancerOptions { WindowTokens = LoadsWindow },
    };

    /// <summary>What its first rank runs.</summary>
    /// <param name="model">The folder of the model.</param>
    /// <param name="ranks">Number of ranks.</param>
    /// <param name="clients">Clients, each of which has one request under way.</param>
    /// <param name="requests">Requests of a round.</param>
    /// <param name="file">Takes what was measured.</param>
    public string[] Command(string model, int ranks, int clients, int requests, string file)
    {
        int groups = Groups(ranks);
        string running = Batching ? $"{(clients + groups - 1) / groups}" : "1";
        string[] separate = FusedPrepare ? [] : ["--separate-prepare"];
        return ["bench", "closed-loop", model, "--clients", $"{clients}", "--requests", $"{requests}", "--max-running", running, "--out", file, .. separate];
    }

    // A rank whose requests wait for a core that another rank has gains nothing.
    private int Groups(int ranks) => DataParallel ? Math.Min(ranks, WorkerTeam.DefaultThreads) : 1;
}
