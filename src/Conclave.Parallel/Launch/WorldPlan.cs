using Conclave.Checkpoints;
using Conclave.Models;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.DataParallel;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Launch;

/// <summary>What all ranks of a launch know about it.</summary>
/// <param name="Ranks">Number of ranks; rank 0 leads.</param>
/// <param name="Hosts">Number of hosts, over which ranks are divided evenly.</param>
/// <param name="Exchange">How tokens travel.</param>
/// <param name="Threads">Threads of each rank, unless the command says otherwise.</param>
public sealed record WorldPlan(int Ranks, int Hosts, ExchangeOptions Exchange, int Threads)
{
    /// <summary>The most ranks of a launch.</summary>
    public const int MostRanks = 512;

    /// <summary>The most threads of a rank.</summary>
    public const int MostThreads = 1024;

    /// <summary>Where steps are divided and nobody said from when: each half reads the weights of its experts, so few tokens gain less than they cost.</summary>
    public const int DefaultDivideFrom = 32;

    /// <summary>The best instruction set that all ranks have; empty until they have met.</summary>
    public string InstructionSet { get; init; } = "";

    /// <summary>Groups that requests are divided over, each with a cache of its own.</summary>
    public int DataParallel { get; init; } = 1;

    /// <summary>Ranks of a group, which divide its attention (<see cref="AttentionPartition"/>).</summary>
    public int TensorParallel { get; init; } = 1;

    /// <summary>Steps of at least so many tokens are computed in two micro-batches (<see cref="ExpertPartition"/>); null: none are.</summary>
    public int? DivideFrom { get; init; }

    /// <summary>Places for experts of a layer on all ranks together, between which experts are moved as loads change; null: one for each expert, which stays.</summary>
    public int? Slots { get; init; }

    /// <summary>When experts are moved.</summary>
    public BalancerOptions Balancing { get; init; } = new();

    /// <summary>Which host each rank is on.</summary>
    public Topology Topology { get; } = Topology.Even(Ranks, Hosts);

    /// <summary>Message buffers of the transport between them.</summary>
    public static TransportOptions Transport { get; } = new() { Credits = 4 };

    /// <summary>Which ranks have tokens.</summary>
    /// <exception cref="UserErrorException">The groups do not fit the hosts.</exception>
    public RankGroups Groups() => new(Topology, DataParallel, TensorParallel);

    /// <summary>Where the experts of a model are at first; null where they stay.</summary>
    /// <exception cref="UserErrorException">The slots are too few or too many for the model.</exception>
    internal ExpertPlacement? Place(ModelConfig config)
    {
        if (Slots is not { } slots)
        {
            return null;
        }

        try
        {
            return ExpertPlacement.InOrder(new PlacementShape(config.RoutedExperts, slots, config.ExpertGroups, Hosts, Ranks), config.IsMoeLayer.Count(isMoe => isMoe));
        }
        catch (UserErrorException e)
        {
            throw new UserErrorException($"--slots {slots}: {e.Message}", e);
        }
    }

    internal ControlWriter Write() => new ControlWriter().Int32(Ranks).Int32(Hosts).Int32(Threads)
        .Int32((int)Exchange.Path).Int32((int)Exchange.Dispatch).Int32((int)Exchange.Combine).Int32((int)Exchange.Reduction)
        .Text(InstructionSet, ControlLimits.MostNameBytes).Int32(DivideFrom ?? 0).Int32(Slots ?? 0).Int32(Balancing.WindowTokens).Int32(Balancing.MoveBudget ?? -1)
        .Int32(DataParallel).Int32(TensorParallel);

    internal static WorldPlan Read(ControlFrame frame)
    {
        ControlReader reader = new(frame.Kind, frame.Body);
        int ranks = reader.Int32("ranks", 1, MostRanks);
        int hosts = reader.Int32("hosts", 1, ranks);
        int threads = reader.Int32("threads", 1, MostThreads);
        ExchangeOptions exchange = new(
            (ExchangePath)reader.Int32("path", 0, (int)ExchangePath.TwoHop),
            (PayloadFormat)reader.Int32("dispatch format", 0, (int)PayloadFormat.E4M3),
            (PayloadFormat)reader.Int32("combine format", 0, (int)PayloadFormat.E4M3),
            (CombineReduction)reader.Int32("reduction", 0, (int)CombineReduction.InHost));
        string set = reader.Text("instruction set", ControlLimits.MostNameBytes);
        int divideFrom = reader.Int32("tokens of a step that is divided", 0, int.MaxValue);
        int slots = reader.Int32("slots", 0, PlacementShape.MostSlots);
        int window = reader.Int32("tokens of a window", 1, int.MaxValue);
        int budget = reader.Int32("a move budget", -1, int.MaxValue);
        int dataParallel = reader.Int32("groups", 1, ranks);
        int tensorParallel = reader.Int32("ranks of a group", 1, ranks / dataParallel);
        reader.End();
        WorldPlan plan = new(ranks, hosts, exchange, threads)
        {
            InstructionSet = set,
            DivideFrom = divideFrom == 0 ? null : divideFrom,
            Slots = slots == 0 ? null : slots,
            DataParallel = dataParallel,
            TensorParallel = tensorParallel,
            Balancing = new BalancerOptions { WindowTokens = window, MoveBudget = budget < 0 ? null : budget },
        };
        try
        {
            _ = plan.Groups();
            return plan;
        }
        catch (UserErrorException e)
        {
            throw new ControlException($"sent {frame.Kind} with impossible groups: {e.Message}");
        }
    }
}
