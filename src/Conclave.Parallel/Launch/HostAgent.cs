namespace Conclave.Parallel.Launch;

/// <summary>Starts the ranks of one host and tells the coordinator how they end.</summary>
public static class HostAgent
{
    /// <summary>Returns when all have ended, or the coordinator has gone, and ends those that still run.</summary>
    /// <param name="program">The program and its first arguments.</param>
    /// <param name="socketPath">Where the coordinator listens.</param>
    /// <param name="host">Which host this is.</param>
    /// <param name="command">What the leader runs.</param>
    /// <param name="log">Where the ranks' lines go.</param>
    /// <exception cref="IOException">Nobody listens there.</exception>
    public static void Run(IReadOnlyList<string> program, string socketPath, int host, IReadOnlyList<string> command, TextWriter log)
    {
        using ControlChannel channel = ControlChannel.Connect(socketPath);
        channel.Send(ControlKind.HostHello, new ControlWriter().Int32(host).Written);
        WorldPlan plan = RankConnection.Meet(channel);
        using RankProcesses ranks = new(
            program, socketPath, [.. Enumerable.Range(0, plan.Ranks).Where(rank => plan.Topology.HostOfRank[rank] == host)], plan.Hosts == 1, command, log, Tell);
        using CancellationTokenSource over = new();
        Thread reader = new(() =>
        {
            try
            {
                while (channel.TryReceive(out _))
                {
                }
            }
            catch (ControlException)
            {
                // As good as gone.
            }

            over.Cancel();
        }) { IsBackground = true };
        reader.Start();
        while (!over.IsCancellationRequested && !ranks.WaitForExit(TimeSpan.FromMilliseconds(100), CancellationToken.None))
        {
        }

        channel.Close();
        reader.Join();

        void Tell(int rank, int code)
        {
            try
            {
                channel.Send(ControlKind.RankEnded, new ControlWriter().Int32(rank).Int32(code).Written);
            }
            catch (IOException)
            {
                // The coordinator has gone.
            }
        }
    }
}
