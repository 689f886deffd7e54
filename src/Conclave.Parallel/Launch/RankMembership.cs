using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Parallel.Exchange;
using Conclave.Transport;
using Conclave.Transport.Ucx;

namespace Conclave.Parallel.Launch;

/// <summary>A rank's part in computing a model: its transport, connected to all others, and its exchange.</summary>
internal sealed class RankMembership : IDisposable
{
    private readonly ITransport _transport;
    private readonly SlotMap _slots;

    /// <summary>Meets the other ranks.</summary>
    /// <param name="connection">The control channel.</param>
    /// <param name="endpoint">The rank's transport where all ranks are in this process; null: UCX.</param>
    /// <param name="config">The model.</param>
    /// <param name="kernels">The operators.</param>
    /// <param name="team">Who computes.</param>
    public RankMembership(RankConnection connection, ITransport? endpoint, ModelConfig config, KernelSet kernels, WorkerTeam team)
    {
        WorldPlan plan = connection.Plan;
        _transport = endpoint is null ? Connect(connection) : Meet(connection, endpoint);
        _slots = SlotMap.Even(plan.Ranks, config.RoutedExperts);
        SlotMap?[] layers = [.. config.IsMoeLayer.Select(isMoe => isMoe ? _slots : null)];
        ExchangeOptions options = plan.Exchange with { TokenRanks = 1 };
        Exchange = new RankedExchange(_transport, plan.Topology, layers, options, config.HiddenSize, config.ExpertsPerToken, kernels, team);
    }

    /// <summary>The exchange.</summary>
    public RankedExchange Exchange { get; }

    /// <summary>The experts of this rank, in every layer.</summary>
    public int[] Experts => _slots.SlotsOf(_transport.Rank).ToArray();

    /// <inheritdoc/>
    public void Dispose() => _transport.Dispose();

    private static ITransport Meet(RankConnection connection, ITransport endpoint)
    {
        connection.Send(ControlKind.Address);
        connection.Take(ControlKind.Addresses);
        return endpoint;
    }

    private static UcxTransport Connect(RankConnection connection)
    {
        UcxTransport transport = new(connection.Plan.Topology, connection.Rank, WorldPlan.Transport);
        try
        {
            connection.Send(ControlKind.Address, transport.LocalAddress);
            transport.Connect(Addresses.Read(connection.Take(ControlKind.Addresses), connection.Plan.Ranks));
            return transport;
        }
        catch
        {
            transport.Dispose();
            throw;
        }
    }
}
