using System.CommandLine;
using Conclave.Cli.Frame;
using Conclave.Kernels;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Launch;
using Conclave.Parallel.Placement;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>conclave launch: a command whose model is computed by many ranks.</summary>
internal static class LaunchCommand
{
    public static Command Create()
    {
        Option<int> ranks = new("--ranks", "--ep") { Description = "Number of ranks, over which experts are divided", HelpName = "N", Required = true };
        Option<int> hosts = new("--hosts")
        {
            Description = "Number of hosts, over which ranks are divided. With ucx more than one needs root: they are made on this machine by scripts/hosts",
            HelpName = "H",
            DefaultValueFactory = _ => 1,
        };
        Option<int> data = new("--dp")
        {
            Description = "Groups of ranks that requests are divided over, each with a cache of its own; hosts get groups in turn, and ranks without one have experts only", HelpName = "D", DefaultValueFactory = _ => 1,
        };
        Option<int> tensor = new("--tp")
        {
            Description = "Ranks of a group, which divide attention by heads; they must be on one host", HelpName = "T", DefaultValueFactory = _ => 1,
        };
        Option<string> transport = new("--transport")
        {
            Description = "ucx: ranks are processes; inproc: threads of one process", HelpName = "ucx|inproc", DefaultValueFactory = _ => "ucx",
        };
        transport.AcceptOnly("ucx", "inproc");
        Option<string> exchange = new("--exchange")
        {
            Description = "How tokens travel. exact: the bits of one rank; bf16: both ways in bfloat16; fp8: to the experts in FP8, back in bfloat16; fp8-both: both ways in FP8; flat: the baseline, a bfloat16 copy for each expert",
            HelpName = "exact|bf16|fp8|fp8-both|flat",
            DefaultValueFactory = _ => "exact",
        };
        exchange.AcceptOnly("exact", "bf16", "fp8", "fp8-both", "flat");
        Option<string> overlap = new("--overlap")
        {
            Description = "Compute steps in two halves, the tokens of one travelling under the computation of the other", HelpName = "on|off", DefaultValueFactory = _ => "off",
        };
        overlap.AcceptOnly("on", "off");
        Option<int?> slots = new("--slots")
        {
            Description = "Places for experts of a layer on all ranks together. With it experts are moved between ranks as loads change; the slots beyond one for each expert are for replicas. "
                + "Default: one for each expert, which stays",
            HelpName = "N",
        };
        Option<int?> window = new("--balance-window")
        {
            Description = $"Tokens whose loads are counted before experts are moved. Default: {new BalancerOptions().WindowTokens}", HelpName = "TOKENS",
        };
        Option<int?> budget = new("--move-budget")
        {
            Description = "Most experts, over all layers, that one change may bring to ranks that do not have them. Default: any number", HelpName = "EXPERTS",
        };
        Option<bool> report = new("--report") { Description = "At the end, say on standard error what was sent over which links, what was moved, and the memory of each rank" };
        Option<string?> model = new("--model") { Description = "The folder of a checkpoint, for COMMAND", HelpName = "DIR" };
        Argument<string[]> inner = new("COMMAND") { Description = "generate, serve or bench model, with its arguments", Arity = ArgumentArity.OneOrMore };
        CliCommand command = new(
            "launch", "Computes one model by many ranks: each has some of the experts, rank 0 runs the command, and the tokens are its own or those of D groups of ranks.",
            ("conclave launch --ranks 4 -- generate \"Once upon a time\"", "four processes; the text is that of one"),
            ("conclave launch --ranks 8 --model DIR --exchange fp8 -- serve", "the OpenAI API over eight"),
            ("conclave launch --ranks 8 --dp 4 -- serve", "requests are divided over four of them"),
            ("conclave launch --ranks 8 --dp 4 --tp 2 -- serve", "over four groups of two, which divide attention"),
            ("conclave launch --ranks 4 --transport inproc --report -- bench model DIR", "four threads of one process, and what they exchanged"),
            ("sudo conclave launch --ranks 8 --hosts 2 -- generate --chat \"Hello\"", "on two hosts that are made on this machine"))
        {
            ranks, hosts, data, tensor, transport, exchange, overlap, slots, window, budget, report, model, inner,
        };
        command.SetAction((result, cancellation) =>
        {
            WorldPlan plan = Plan(result.GetValue(ranks), result.GetValue(hosts), result.GetRequiredValue(exchange)) with
            {
                DivideFrom = result.GetValue(overlap) == "on" && result.GetValue(ranks) > 1 ? WorldPlan.DefaultDivideFrom : null,
                DataParallel = result.GetValue(data),
                TensorParallel = result.GetValue(tensor),
                Slots = Slots(result.GetValue(slots), result.GetValue(ranks)),
                Balancing = Balancing(result.GetValue(window), result.GetValue(budget), result.GetValue(slots) is not null),
            };
            CheckGroups(plan);
            string[] arguments = WithModel(result.GetRequiredValue(inner), result.GetValue(model));
            if (Program.Check(arguments) is { } wrong)
            {
                throw new UserErrorException(wrong);
            }

            using Launcher launcher = new(plan, arguments, result.InvocationConfiguration.Output);
            int code = result.GetValue(transport) == "inproc" ? launcher.RunThreads(cancellation) : launcher.RunProcesses(cancellation);
            if (result.GetValue(report))
            {
                TrafficReport.Write(Console.Error, launcher.Reports);
            }

            return Task.FromResult(code);
        });
        return command;
    }

    private static WorldPlan Plan(int ranks, int hosts, string exchange)
    {
        NumberOptions.InRange("--ranks", ranks, 1, WorldPlan.MostRanks);
        NumberOptions.InRange("--hosts", hosts, 1, Math.Min(ranks, HostsScript.MostHosts), "a rank or more on each");
        ExchangeOptions options = exchange switch
        {
            "exact" => ExchangeOptions.Exact,
            "bf16" => new ExchangeOptions(ExchangePath.TwoHop, PayloadFormat.BF16, PayloadFormat.BF16, CombineReduction.InHost),
            "fp8" => ExchangeOptions.Fast(PayloadFormat.BF16),
            "fp8-both" => ExchangeOptions.Fast(PayloadFormat.E4M3),
            _ => ExchangeOptions.Flat,
        };

        // All hosts are on this machine.
        return new WorldPlan(ranks, hosts, options, Math.Max(1, WorkerTeam.DefaultThreads / ranks));
    }

    private static void CheckGroups(WorldPlan plan)
    {
        int groups = NumberOptions.InRange("--dp", plan.DataParallel, 1, plan.Ranks, "the groups that requests are divided over");
        NumberOptions.InRange("--tp", plan.TensorParallel, 1, plan.Ranks / groups, $"with {plan.Ranks} ranks and {groups} groups");
        _ = plan.Groups();
    }

    private static int? Slots(int? slots, int ranks) => slots is null || (slots is >= 1 and <= PlacementShape.MostSlots && slots % ranks == 0)
        ? slots
        : throw new UserErrorException($"--slots {slots}: all ranks have the same number, so a multiple of {ranks} up to {PlacementShape.MostSlots} is expected");

    private static BalancerOptions Balancing(int? window, int? budget, bool hasSlots)
    {
        if (!hasSlots && (window ?? budget) is not null)
        {
            throw new UserErrorException(
                $"{(window is null ? $"--move-budget {budget}" : $"--balance-window {window}")}: experts are moved between slots; say with --slots how many there are");
        }

        BalancerOptions options = new() { MoveBudget = budget is { } experts ? NumberOptions.AtLeast("--move-budget", experts, 0) : null };
        return options with { WindowTokens = NumberOptions.AtLeast("--balance-window", window ?? options.WindowTokens, 1) };
    }

    private static string[] WithModel(string[] command, string? model)
    {
        string[] name = command switch
        {
            ["generate" or "serve", ..] => command[..1],
            ["bench", "model", ..] => command[..2],
            _ => throw new UserErrorException($"launch runs generate, serve and bench model over ranks, not '{string.Join(' ', command.Take(2))}'"),
        };
        string[] rest = command[name.Length..];
        return model is null ? command
            : name.Length == 2 ? [.. name, ModelDirectory.Resolve(model), .. rest]
            : [.. name, "--model", ModelDirectory.Resolve(model), .. rest];
    }
}
