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
internal sealed class LaunchCommand
{
    // Counted were 88, and for each rank its two outputs and its connection. Who has not even those fails between two ranks, and not always in the same words.
    private const int LauncherOpenFiles = 88;
    private const int RankOpenFiles = 3;

    private readonly Option<int> _ranks = new("--ranks", "--ep") { Description = "Number of ranks, over which experts are divided", HelpName = "N", Required = true };
    private readonly Option<int> _hosts = new("--hosts")
    {
        Description = "Number of hosts, over which ranks are divided. With ucx more than one needs root: they are made on this machine by scripts/hosts",
        HelpName = "H",
        DefaultValueFactory = _ => 1,
    };

    private readonly Option<int> _data = new("--dp")
    {
        Description = "Groups of ranks that requests are divided over, each with a cache of its own; hosts get groups in turn, and ranks without one have experts only", HelpName = "D", DefaultValueFactory = _ => 1,
    };

    private readonly Option<int> _tensor = new("--tp")
    {
        Description = "Ranks of a group, which divide attention by heads; they must be on one host", HelpName = "T", DefaultValueFactory = _ => 1,
    };

    private readonly Option<string> _transport = new("--transport")
    {
        Description = "ucx: ranks are processes; inproc: threads of one process", HelpName = "ucx|inproc", DefaultValueFactory = _ => "ucx",
    };

    private readonly Option<string> _exchange = new("--exchange")
    {
        Description = "How tokens travel. exact: the bits of one rank; bf16: both ways in bfloat16; fp8: to the experts in FP8, back in bfloat16; fp8-both: both ways in FP8; flat: the baseline, a bfloat16 copy for each expert",
        HelpName = "exact|bf16|fp8|fp8-both|flat",
        DefaultValueFactory = _ => "exact",
    };

    private readonly Option<string> _overlap = new("--overlap")
    {
        Description = "Compute steps in two halves, the tokens of one travelling under the computation of the other", HelpName = "on|off", DefaultValueFactory = _ => "off",
    };

    private readonly Option<int?> _slots = new("--slots")
    {
        Description = "Places for experts of a layer on all ranks together. With it experts are moved between ranks as loads change; the slots beyond one for each expert are for replicas. "
            + "Default: one for each expert, which stays",
        HelpName = "N",
    };

    private readonly Option<int?> _window = new("--balance-window")
    {
        Description = $"Tokens whose loads are counted before experts are moved. Default: {new BalancerOptions().WindowTokens}", HelpName = "TOKENS",
    };

    private readonly Option<int?> _budget = new("--move-budget")
    {
        Description = "Most experts, over all layers, that one change may bring to ranks that do not have them. Default: any number", HelpName = "EXPERTS",
    };

    private readonly Option<bool> _report = new("--report") { Description = "At the end, say on standard error what was sent over which links, what was moved, and the memory of each rank" };
    private readonly Option<string?> _model = new("--model") { Description = "The folder of a checkpoint, for COMMAND", HelpName = "DIR" };
    private readonly Argument<string[]> _inner = new("COMMAND") { Description = "generate, serve or bench model, with its arguments", Arity = ArgumentArity.OneOrMore };

    public static Command Create() => new LaunchCommand().Build();

    private CliCommand Build()
    {
        _transport.AcceptOnly("ucx", "inproc");
        _exchange.AcceptOnly("exact", "bf16", "fp8", "fp8-both", "flat");
        _overlap.AcceptOnly("on", "off");
        CliCommand command = new(
            "launch", "Computes one model by many ranks: each has some of the experts, rank 0 runs the command, and the tokens are its own or those of D groups of ranks.",
            ("conclave launch --ranks 4 -- generate \"Once upon a time\"", "four processes; the text is that of one"),
            ("conclave launch --ranks 8 --model DIR --exchange fp8 -- serve", "the OpenAI API over eight"),
            ("conclave launch --ranks 8 --dp 4 -- serve", "requests are divided over four of them"),
            ("conclave launch --ranks 8 --dp 4 --tp 2 -- serve", "over four groups of two, which divide attention"),
            ("conclave launch --ranks 4 --transport inproc --report -- bench model DIR", "four threads of one process, and what they exchanged"),
            ("sudo conclave launch --ranks 8 --hosts 2 -- generate --chat \"Hello\"", "on two hosts that are made on this machine"))
        {
            _ranks, _hosts, _data, _tensor, _transport, _exchange, _overlap, _slots, _window, _budget, _report, _model, _inner,
        };
        command.SetAction((result, cancellation) => Task.FromResult(Run(result, cancellation)));
        return command;
    }

    private int Run(ParseResult result, CancellationToken cancellation)
    {
        WorldPlan plan = ReadPlan(result);
        string[] arguments = WithModel(result.GetRequiredValue(_inner), result.GetValue(_model));
        if (Program.Check(arguments) is { } wrong)
        {
            throw new UserErrorException(wrong.Split('\n'));
        }

        OpenFileLimit.Require(LauncherOpenFiles + ((plan.Hosts == 1 ? RankOpenFiles : 1) * plan.Ranks));
        using Launcher launcher = new(plan, arguments, result.InvocationConfiguration.Output);
        int code = result.GetValue(_transport) == "inproc" ? launcher.RunThreads(cancellation) : launcher.RunProcesses(cancellation);
        if (result.GetValue(_report))
        {
            TrafficReport.Write(Console.Error, launcher.Reports);
        }

        return code;
    }

    private WorldPlan ReadPlan(ParseResult result)
    {
        int ranks = NumberOptions.InRange(_ranks.Name, result.GetValue(_ranks), 1, WorldPlan.MostRanks);
        int hosts = NumberOptions.InRange(_hosts.Name, result.GetValue(_hosts), 1, Math.Min(ranks, HostsScript.MostHosts), "a rank or more on each");
        int? slots = result.GetValue(_slots);

        // All hosts are on this machine.
        WorldPlan plan = new(ranks, hosts, Exchange(result.GetRequiredValue(_exchange)), Math.Max(1, WorkerTeam.DefaultThreads / ranks))
        {
            DivideFrom = result.GetValue(_overlap) == "on" && ranks > 1 ? WorldPlan.DefaultDivideFrom : null,
            DataParallel = result.GetValue(_data),
            TensorParallel = result.GetValue(_tensor),
            Slots = Slots(slots, ranks),
            Balancing = Balancing(result.GetValue(_window), result.GetValue(_budget), slots is not null),
        };
        CheckGroups(plan);
        return plan;
    }

    private static ExchangeOptions Exchange(string name) => name switch
    {
        "exact" => ExchangeOptions.Exact,
        "bf16" => new ExchangeOptions(ExchangePath.TwoHop, PayloadFormat.BF16, PayloadFormat.BF16, CombineReduction.InHost),
        "fp8" => ExchangeOptions.Fast(PayloadFormat.BF16),
        "fp8-both" => ExchangeOptions.Fast(PayloadFormat.E4M3),
        _ => ExchangeOptions.Flat,
    };

    private static void CheckGroups(WorldPlan plan)
    {
        int groups = NumberOptions.InRange("--dp", plan.DataParallel, 1, plan.Ranks, "the groups that requests are divided over");
        _ = NumberOptions.InRange("--tp", plan.TensorParallel, 1, plan.Ranks / groups, $"with {plan.Ranks} ranks and {groups} groups");
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
