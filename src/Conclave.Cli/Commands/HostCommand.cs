using System.CommandLine;
using Conclave.Cli.Frame;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>conclave host: starts the ranks of one host; `conclave launch` starts it through scripts/hosts.</summary>
internal static class HostCommand
{
    private const string HostVariable = "CONCLAVE_HOST";

    public static Command Create()
    {
        Option<string> control = new("--control") { Description = "The launch's control channel", HelpName = "SOCKET", Required = true };
        Argument<string[]> inner = new("COMMAND") { Description = "What rank 0 runs", Arity = ArgumentArity.OneOrMore };
        Command command = new("host", "Starts the ranks of one host of a launch.") { control, inner };
        command.Hidden = true;
        command.SetAction((result, cancellation) =>
        {
            int host = int.TryParse(Environment.GetEnvironmentVariable(HostVariable), out int number)
                ? number
                : throw new UserErrorException($"{HostVariable} is not set; scripts/hosts sets it on the hosts that it makes");
            HostAgent.Run(ThisProgram.Command, result.GetRequiredValue(control), host, result.GetRequiredValue(inner), Console.Error);
            return Task.CompletedTask;
        });
        return command;
    }
}
