using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.DataParallel;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;
using Conclave.Parallel.TensorParallel;
using Conclave.Transport;

namespace Conclave.Parallel.Launch;

/// <summary>A rank's part in computing a model: its transports, connected to the others, its exchange, where attention is divided its end of the gather, and where experts move its balancer.</summary>
internal sealed class RankMembership : IDisposable
{
    private readonly RankEndpoints _endpoints;
    private readonly SlotMap?[] _slots;
    private readonly ExpertPlacement? _placement;
    private readonly RankConnection _connection;
    private Balancer? _balancer;

    /// <summary>Meets the other ranks.</summary>
    /// <param name="connection">The control channel.</param>
    /// <param name="endpoints">The rank's transports where all ranks are in this process; null: UCX.</param>
    /// <param name="config">The model.</param>
    /// <param name="kernels">The operators.</param>
    /// <param name="team">Who computes.</param>
    /// <param name="maxTokens">Most tokens of a rank's step.</param>
    public RankMembership(RankConnection connection, RankEndpoints? endpoints, ModelConfig config, KernelSet kernels, WorkerTeam team, int maxTokens)
    {
        WorldPlan plan = connection.Plan;
        _placement = plan.Place(config);
        _connection = connection;
        _endpoints = endpoints?.Meet(connection) ?? RankEndpoints.Connect(connection);
        SlotMap even = SlotMap.Even(plan.Ranks, config.RoutedExperts);
        _slots = _placement is null ? [.. config.IsMoeLayer.Select(isMoe => isMoe ? even : null)] : SlotMap.ByLayer(_placement, config.IsMoeLayer);
        RankGroups groups = plan.Groups();
        ExchangeOptions options = plan.Exchange with { TokenRanks = groups.TokenRanks };
        Exchange = new RankedExchange(_endpoints.World, plan.Topology, _slots, options, config.HiddenSize, config.ExpertsPerToken, kernels, team);
        Hidden = plan.DataParallel > 1 ? new HiddenReturn(Exchange, groups, maxTokens, config.HiddenSize) : null;
        if (_endpoints.Group is { } group)
        {
            int number = groups.NumberOf(connection.Rank);
            Attention = new AttentionPartition(number, plan.TensorParallel, new RankGather(group, Exchange, connection.Rank - number));
        }
    }

    /// <summary>The exchange.</summary>
    public RankedExchange Exchange { get; }

    /// <summary>Brings rows to rank 0; null where no other group has tokens.</summary>
    public HiddenReturn? Hidden { get; }

    /// <summary>The part of attention that is computed here; null where it is not divided.</summary>
    public AttentionPartition? Attention { get; }

    /// <summary>Bytes sent to the other ranks of the group.</summary>
    public long GatherBytes => _endpoints.Group?.Counters.BytesSent(LinkClass.SameHost) ?? 0;

    /// <summary>What was moved; null where experts stay, or no step was computed. Complete after <see cref="EndSteps"/>.</summary>
    public BalanceReport? Balance => _balancer?.Report;

    /// <summary>The experts of this rank at first.</summary>
    public int[] ExpertsOf(int layer) => _slots[layer]!.ExpertsOf(_endpoints.World.Rank);

    /// <summary>Gets ready for the first step.</summary>
    public void BeginSteps(DeepSeekModel model)
    {
        if (_placement is not null)
        {
            _balancer = new Balancer(Exchange, model, _placement, _connection.Plan.Balancing, _connection.Warn);
        }
    }

    /// <summary>To be called before each step, when all ranks have been told to compute it.</summary>
    /// <exception cref="PeerException">A rank failed, or sent what cannot be.</exception>
    public void BetweenSteps() => _balancer?.BetweenSteps();

    /// <summary>No step follows; returns when nothing uses the model any more.</summary>
    public void EndSteps() => _balancer?.Dispose();

    /// <inheritdoc/>
    public void Dispose()
    {
        _endpoints.Dispose();
        Hidden?.Dispose();
    }
}
