using System.CommandLine;
using Conclave.Cli.Frame;
using Conclave.Parallel.Launch;

namespace Conclave.Cli.Commands;

/// <summary>conclave rank: one rank of a launch as a process; `conclave launch` starts it.</summary>
internal static class RankCommand
{
    private const int Failed = 1;
    private const int Interrupted = 130;

    public static Command Create()
    {
        Option<string> control = new("--control") { Description = "The launch's control channel", HelpName = "SOCKET", Required = true };
        Option<int> rank = new("--rank") { Description = "Which rank this is", HelpName = "N", Required = true };
        Argument<string[]> inner = new("COMMAND") { Description = "What rank 0 runs", Arity = ArgumentArity.OneOrMore };
        Command command = new("rank", "Runs one rank of a launch.") { control, rank, inner };
        command.Hidden = true;
        command.SetAction((result, cancellation) =>
        {
            // Nobody is left to end it.
            using RankConnection connection = RankConnection.Open(result.GetRequiredValue(control), result.GetValue(rank), () => Environment.Exit(1));
            try
            {
                if (connection.Rank != 0)
                {
                    // A signal from the terminal is the leader's matter.
                    RankFollower.Run(connection, endpoints: null);
                    return Task.FromResult(0);
                }

                return Task.FromResult(LedCommand.Run(connection, null, result.GetRequiredValue(inner), result.InvocationConfiguration.Output, cancellation));
            }
            catch (OperationCanceledException) when (connection.Stopping.IsCancellationRequested)
            {
                return Task.FromResult(Interrupted);
            }
            catch (Exception e) when (RankFailedException.IsCauseOf(e))
            {
                // The launcher says which and why, once for all.
                return Task.FromResult(Failed);
            }
        });
        return command;
    }
}
