using System.CommandLine;
using Conclave.Cli.Frame;
using Conclave.Measurement.Load;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>conclave bench ablation: what each trick of computing over ranks is worth.</summary>
internal static class BenchAblationCommand
{
    public static Command Create()
    {
        Option<int> ranks = new("--ranks") { Description = "Number of ranks, one thread each", HelpName = "N", DefaultValueFactory = _ => 8 };
        Option<int> hosts = new("--hosts")
        {
            Description = "Number of hosts, joined by links of 1 Gbit/s. More than one needs root: they are made on this machine by scripts/hosts", HelpName = "H", DefaultValueFactory = _ => 4,
        };
        Option<int> clients = new("--clients") { Description = "Clients, each of which waits for its answer before it asks again", HelpName = "N", DefaultValueFactory = _ => 16 };
        Option<int> requests = new("--requests") { Description = "Requests of a round", HelpName = "N", DefaultValueFactory = _ => 32 };
        Option<int> repeat = new("--repeat") { Description = "How often each row is launched, in turn with the others, for two rounds after three that are not measured; the median of all is shown", HelpName = "N", DefaultValueFactory = _ => 3 };
        CliCommand command = new(
            "ablation",
            "Measures a model like DeepSeek-V3 over ranks, one switch at a time from naive to everything on, then the same with batching in every row. Its weights are random and its layers few.",
            ("sudo conclave bench ablation", "eight ranks on four hosts, sixteen clients"),
            ("conclave bench ablation --ranks 4 --hosts 1", "on one host"))
        {
            ranks, hosts, clients, requests, repeat,
        };
        command.SetAction((result, cancellation) =>
        {
            int world = BenchCommand.Positive(result, ranks);
            int machines = BenchCommand.Positive(result, hosts);
            if (world > WorldPlan.MostRanks || machines > Math.Min(world, HostsScript.MostHosts))
            {
                throw new UserErrorException($"--ranks {world} --hosts {machines}: at most {WorldPlan.MostRanks} ranks and {HostsScript.MostHosts} hosts are expected, a rank or more on each");
            }

            if (machines > 1 && !Environment.IsPrivilegedProcess)
            {
                throw new UserErrorException($"--hosts {machines}: hosts of one machine are network namespaces, which only root may make; run it with sudo, or with --hosts 1");
            }

            TextWriter output = result.InvocationConfiguration.Output;
            int inParallel = BenchCommand.Positive(result, clients);
            using Ablation ablation = new(world, machines, inParallel, BenchCommand.Positive(result, requests));
            int passes = BenchCommand.Runs(result, repeat);
            ablation.WriteModel(cancellation);
            output.WriteLine($"{world} ranks on {machines} host{(machines == 1 ? "" : "s")}, {inParallel} clients; prompts and answers of 16 tokens");
            foreach (bool batching in (bool[])[false, true])
            {
                AblationRow[] rows = AblationRow.Table(batching);
                ClosedLoopResult[] measured = ProgressBar.Run(
                    batching ? "batching in every row" : "one request at a time", (IProgress<double> progress) => ablation.Run(rows, passes, progress, cancellation), done => done);
                output.WriteLine();
                output.WriteLine($"{(batching ? "batching in every row" : "one request at a time, up to batching"),-44}{"tok/s",9}{"min … max",16}{"×",7}{"of first",10}{"latency ms",12}{"of first",10}");
                for (int row = 0; row < rows.Length; row++)
                {
                    (ClosedLoopResult now, ClosedLoopResult before, ClosedLoopResult first) = (measured[row], measured[Math.Max(0, row - 1)], measured[0]);
                    output.WriteLine(
                        $"{rows[row].Name,-44}{now.TokensPerSecond,9:F1}{$"{now.Rates.Min():F1} … {now.Rates.Max():F1}",16}{now.TokensPerSecond / before.TokensPerSecond,7:F2}{now.TokensPerSecond / first.TokensPerSecond,9:F2}×{now.MedianLatency,12:F0}{now.MedianLatency / first.MedianLatency,10:P0}");
                }

                output.Flush();
            }

            return Task.CompletedTask;
        });
        return command;
    }
}
