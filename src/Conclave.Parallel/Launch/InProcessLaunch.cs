using Conclave.Transport;
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
    public static void Run(Coordinator coordinator, WorldPlan plan, Action<RankConnection, ITransport> lead)
    {
        InProcessFabric fabric = new(plan.Topology, WorldPlan.Transport);
        Thread[] followers = [.. Enumerable.Range(1, plan.Ranks - 1).Select(rank => new Thread(() => Follow(coordinator, fabric, rank))
        {
            IsBackground = true, Name = $"conclave rank {rank}",
        })];
        Array.ForEach(followers, follower => follower.Start());
        try
        {
            using RankConnection connection = Open(coordinator, 0);
            lead(connection, fabric[0]);
        }
        finally
        {
            // The memory of a fabric must outlive its threads: one that hangs keeps it.
            fabric[0].Dispose();
            if (followers.All(follower => follower.Join(LeaveWithin)))
            {
                fabric.Dispose();
            }
        }
    }

    private static void Follow(Coordinator coordinator, InProcessFabric fabric, int rank)
    {
        try
        {
            using RankConnection connection = Open(coordinator, rank);
            RankFollower.Run(connection, fabric[rank]);
        }
#pragma warning disable CA1031 // The coordinator was told, and ends the launch with it.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
        finally
        {
            fabric[rank].Dispose();
        }
    }

    private static RankConnection Open(Coordinator coordinator, int rank) => RankConnection.Open(coordinator.SocketPath, rank, static () => { });
}
