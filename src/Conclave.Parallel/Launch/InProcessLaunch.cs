using Conclave.Parallel.DataParallel;
using Conclave.Transport.InProcess;

namespace Conclave.Parallel.Launch;

/// <summary>Ranks as threads of this process. They meet through the same control channel as processes.</summary>
public static class InProcessLaunch
{
    private static readonly TimeSpan LeaveWithin = TimeSpan.FromSeconds(10);

    /// <summary>Starts all ranks but the leader, which runs on the calling thread.</summary>
    /// <param name="coordinator">Where they meet.</param>
    /// <param name="plan">The world.</param>
    /// <param name="lead">What the leader does.</param>
    public static void Run(Coordinator coordinator, WorldPlan plan, Action<RankConnection, RankEndpoints> lead)
    {
        InProcessFabric world = new(plan.Topology, WorldPlan.Transport);
        RankGroups groups = plan.Groups();
        InProcessFabric[] fabrics = plan.TensorParallel == 1 ? []
            : [.. Enumerable.Range(0, groups.Count).Select(_ => new InProcessFabric(RankEndpoints.GroupTopology(plan), WorldPlan.Transport))];
        RankEndpoints[] endpoints = [.. Enumerable.Range(0, plan.Ranks).Select(rank => new RankEndpoints(
            world[rank], RankEndpoints.HasGroup(plan, rank) ? fabrics[groups.Of(rank)!.Value][groups.NumberOf(rank)] : null))];
        Thread[] followers = [.. Enumerable.Range(1, plan.Ranks - 1).Select(rank => new Thread(() => Follow(coordinator, endpoints[rank], rank))
        {
            IsBackground = true, Name = $"conclave rank {rank}",
        })];
        Array.ForEach(followers, follower => follower.Start());
        try
        {
            using RankConnection connection = Open(coordinator, 0);
            lead(connection, endpoints[0]);
        }
        finally
        {
            // The memory of a fabric must outlive its threads: a rank that hangs keeps it, by its endpoint.
            endpoints[0].Dispose();
            if (followers.All(follower => follower.Join(LeaveWithin)))
            {
                world.Dispose();
                Array.ForEach(fabrics, fabric => fabric.Dispose());
            }
        }
    }

    private static void Follow(Coordinator coordinator, RankEndpoints endpoints, int rank)
    {
        try
        {
            using RankConnection connection = Open(coordinator, rank);
            RankFollower.Run(connection, endpoints);
        }
#pragma warning disable CA1031 // The coordinator was told, and ends the launch with it.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
        finally
        {
            endpoints.Dispose();
        }
    }

    private static RankConnection Open(Coordinator coordinator, int rank)
    {
        try
        {
            return RankConnection.Open(coordinator.SocketPath, rank, static () => { });
        }
        catch (Exception e) when (e is not RankFailedException)
        {
            // The others would wait for it.
            coordinator.RankCannotConnect(rank, e.Message);
            throw;
        }
    }
}
