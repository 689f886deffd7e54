using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Cli.Frame;

/// <summary>A command that rank 0 runs over all ranks.</summary>
internal static class LedCommand
{
    /// <summary>Runs it and ends the other ranks.</summary>
    /// <param name="connection">The control channel.</param>
    /// <param name="endpoints">The rank's transports where all ranks are in this process; null: UCX.</param>
    /// <param name="command">Its name and arguments.</param>
    /// <param name="output">Standard output.</param>
    /// <param name="cancellation">Ends it, as the launcher may too.</param>
    public static int Run(RankConnection connection, RankEndpoints? endpoints, string[] command, TextWriter output, CancellationToken cancellation)
    {
        using RankLeader leader = new(connection, endpoints);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, connection.Stopping);
        try
        {
            int code = Program.Run(command, output, stop.Token, leader);
            output.Flush();
            return code;
        }
        catch (Exception e) when (e is not (UserErrorException or OperationCanceledException) && !StandardOutput.HasNoReader(e))
        {
            leader.Fail(e);
            throw;
        }
    }
}
