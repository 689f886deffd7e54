using Conclave.Parallel.DataParallel;
using Conclave.Transport;
using Conclave.Transport.Ucx;

namespace Conclave.Parallel.Launch;

/// <summary>The transports of one rank.</summary>
/// <param name="World">To all ranks.</param>
/// <param name="Group">To the ranks that divide attention with this one; null where none do.</param>
public sealed record RankEndpoints(ITransport World, ITransport? Group) : IDisposable
{
    /// <summary>Which hosts the ranks of a group are on: one.</summary>
    internal static Topology GroupTopology(WorldPlan plan) => Topology.Even(plan.TensorParallel, 1);

    /// <summary>Whether a rank has a transport to its group.</summary>
    internal static bool HasGroup(WorldPlan plan, int rank) => plan.TensorParallel > 1 && plan.Groups().Of(rank) is not null;

    /// <inheritdoc/>
    public void Dispose()
    {
        Group?.Dispose();
        World.Dispose();
    }

    /// <summary>Tells the others where this rank is reached, and waits until all are connected, over UCX.</summary>
    internal static RankEndpoints Connect(RankConnection connection)
    {
        WorldPlan plan = connection.Plan;
        int rank = connection.Rank;
        RankGroups groups = plan.Groups();
        UcxTransport world = new(plan.Topology, rank, WorldPlan.Transport);
        UcxTransport? group = null;
        try
        {
            if (HasGroup(plan, rank))
            {
                group = new UcxTransport(GroupTopology(plan), groups.NumberOf(rank), WorldPlan.Transport);
            }

            connection.Send(ControlKind.Address, Addresses.Write([world.LocalAddress.ToArray(), group is null ? [] : group.LocalAddress.ToArray()]).Written);
            byte[][][] addresses = RankConnection.Understand<byte[][][]>(() =>
            [
                .. Addresses.Read(connection.Take(ControlKind.Addresses), plan.Ranks).Select(both => Addresses.Read(new ControlFrame(ControlKind.Address, both), Addresses.OfRank)),
            ]);
            world.Connect([.. addresses.Select(both => both[0])]);
            group?.Connect([.. addresses.Skip(groups.FirstOf(groups.Of(rank)!.Value)).Take(plan.TensorParallel).Select(both => both[1])]);
            return new RankEndpoints(world, group);
        }
        catch
        {
            group?.Dispose();
            world.Dispose();
            throw;
        }
    }

    /// <summary>Waits until all ranks of this process are here.</summary>
    internal RankEndpoints Meet(RankConnection connection)
    {
        connection.Send(ControlKind.Address, Addresses.Write([[], []]).Written);
        connection.Take(ControlKind.Addresses);
        return this;
    }
}
