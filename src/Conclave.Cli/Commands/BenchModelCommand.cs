using System.CommandLine;
using System.Text.Json;
using Conclave.Checkpoints;
using Conclave.Cli.Frame;
using Conclave.Kernels;
using Conclave.Measurement;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>conclave bench model: prefill, decode and start.</summary>
internal sealed class BenchModelCommand(RankLeader? leader)
{
    private readonly Argument<string> _directory = ModelDirectory.Argument();
    private readonly Option<string> _prefill = new("--prefill") { Description = "Lengths of prompts; \"\": no prefill", HelpName = "N,…", DefaultValueFactory = _ => "64,512" };
    private readonly Option<string> _decode = new("--decode") { Description = "Tokens in the cache before the steps; \"\": no decode", HelpName = "N,…", DefaultValueFactory = _ => "0" };
    private readonly Option<string> _batch = new("--batch") { Description = "Sequences decoded together", HelpName = "N,…", DefaultValueFactory = _ => "1" };
    private readonly Option<int> _steps = new("--steps") { Description = "Steps of a decode run", HelpName = "N", DefaultValueFactory = _ => 8 };
    private readonly Option<int> _repeat = BenchCommand.Repeat(5);
    private readonly Option<bool> _operators = new("--operators") { Description = "Show each operator's part" };
    private readonly Option<bool> _start = new("--start")
    {
        Description = "Also run `conclave generate` for its first token, with the model's files in memory and dropped from it, and for its peak memory",
    };

    private readonly BenchOutput _outputs = new("model");
    private readonly ComputeOptions _compute = new(leader);

    public static Command Create(RankLeader? leader) => new BenchModelCommand(leader).Build();

    private CliCommand Build()
    {
        CliCommand command = new(
            "model", "Measures prefill and decode of a model. The roofline is the sum over operators of max(bytes ÷ bandwidth, operations ÷ peak).",
            ("conclave bench model DIR --prefill 64,512 --decode 0,4096 --batch 1,16", "two prompts, and four kinds of steps"),
            ("conclave bench model DIR --prefill 512 --operators", "where the time goes"),
            ("conclave bench model DIR --json > old.json", "to compare with"),
            ("conclave bench model DIR --compare old.json --plot model.svg", "what has changed, and a picture"),
            ("conclave bench model DIR --prefill \"\" --decode \"\" --start", "only how it starts"))
        {
            _directory, _prefill, _decode, _batch, _steps, _repeat, _operators, _start,
        };
        _outputs.AddTo(command);
        _compute.AddTo(command, cache: false, steps: true);
        command.SetAction(Run);
        return command;
    }

    private Task Run(ParseResult result, CancellationToken cancellation)
    {
        BenchmarkReport? earlier = _outputs.Earlier(result);
        List<Workload> workloads = ReadWorkloads(result);
        int runs = BenchCommand.Runs(result, _repeat);
        int steps = BenchCommand.Positive(result, _steps);
        string folder = ModelDirectory.Resolve(result.GetRequiredValue(_directory));
        KernelSet kernels = _compute.Kernels(result);
        TextWriter output = result.InvocationConfiguration.Output;

        // First: the kernel keeps pages that this process has mapped.
        BenchModelStart? started = result.GetValue(_start) ? BenchModelStart.Measure(folder, kernels, _compute.Threads(result), runs, cancellation) : null;
        if (!_outputs.IsJson(result))
        {
            started?.Print(output);
        }

        using Checkpoint checkpoint = ProgressBar.Opening(progress => Checkpoint.Open(folder, progress));

        // A server has them soon; the first workload should not be measured without.
        checkpoint.PromotePages(stayMapped: leader is null).Wait(cancellation);
        using WorkerTeam team = _compute.Team(result);
        using ModelBenchmark? benchmark = workloads.Count > 0
            ? new ModelBenchmark(
                checkpoint, kernels, team, workloads, steps, _compute.TokensPerStep(result),
                options => _compute.Divide(folder, checkpoint.Config, kernels, team, options))
            : null;
        (int, MachineLimits)[] limits = benchmark is null ? [] : BenchCommand.Limits(team, benchmark.Limits);
        if (limits.Length > 0 && !_outputs.IsJson(result))
        {
            BenchCommand.PrintLimits(output, kernels, limits);
        }

        List<(Workload, WorkloadSample[])> measured = [];
        foreach (Workload workload in workloads)
        {
            WorkloadSample[] samples = Measure(benchmark!, workload, runs, cancellation);
            measured.Add((workload, samples));
            if (!_outputs.IsJson(result))
            {
                Print(output, checkpoint.Config, workload, samples, result.GetValue(_operators));
            }
        }

        _outputs.Finish(result, earlier, json =>
        {
            BenchCommand.WriteSetting(json, [kernels], team);
            ModelConfig config = checkpoint.Config;
            json.WriteString("model", $"{config.ModelType}, {config.Layers} layers of {config.HiddenSize}, {config.RoutedExperts} experts");
            json.WriteString("directory", folder);
            json.WriteNumber("steps", steps);
            json.WriteNumber("ranks", leader?.Plan.Ranks ?? 1);
            json.WriteNumber("hosts", leader?.Plan.Hosts ?? 1);
            json.WriteNumber("dp", leader?.Plan.DataParallel ?? 1);
            json.WriteNumber("tp", leader?.Plan.TensorParallel ?? 1);
            json.WriteNumber("max_batched_tokens", _compute.TokensPerStep(result));
            json.WriteStartArray("machine_limits");
            BenchCommand.WriteLimits(json, kernels, limits);
            json.WriteEndArray();
            started?.Write(json);
            Write(json, config, measured);
        });
        return Task.CompletedTask;
    }

    private List<Workload> ReadWorkloads(ParseResult result)
    {
        // A step has so many tokens in each group of ranks, and every sequence takes one.
        int mostSequences = _compute.TokensPerStep(result) * (leader?.Plan.DataParallel ?? 1);
        int[] batches = NumberOptions.List(_batch.Name, result.GetRequiredValue(_batch), 1, mostSequences);
        List<Workload> workloads = [.. BenchCommand.Numbers(result, _prefill, 1).Select(length => new Workload(WorkloadPhase.Prefill, length, 1))];
        foreach (int context in BenchCommand.Numbers(result, _decode, 0))
        {
            workloads.AddRange(batches.Select(sequences => new Workload(WorkloadPhase.Decode, context, sequences)));
        }

        return workloads.Count > 0 || result.GetValue(_start)
            ? [.. workloads.Distinct()]
            : throw new UserErrorException("nothing to measure: --prefill and --decode are both empty");
    }

    /// <summary>Samples by rising share of the roofline, after one run that is not counted.</summary>
    private static WorkloadSample[] Measure(ModelBenchmark benchmark, Workload workload, int runs, CancellationToken cancellation)
    {
        benchmark.Run(workload, cancellation);
        WorkloadSample[] samples = new WorkloadSample[runs];
        for (int run = 0; run < runs; run++)
        {
            samples[run] = benchmark.Run(workload, cancellation);
        }

        Array.Sort(samples, static (a, b) => a.RooflineShare.CompareTo(b.RooflineShare));
        return samples;
    }

    private static void Print(TextWriter output, ModelConfig config, Workload workload, WorkloadSample[] samples, bool operators)
    {
        WorkloadSample median = samples[samples.Length / 2];
        output.WriteLine(
            $"{workload.Label,-20} {median.Rate,8:F2} tok/s  {BenchCommand.Rate(median.Total.Bytes / median.Seconds, median.Limits.Bandwidth, "GB/s")}  {BenchCommand.Rate(median.Total.Flops / median.Seconds, median.Limits.Peak, "GFLOP/s")}  roofline {median.RooflineShare:P0} ({samples[0].RooflineShare:P0} … {samples[^1].RooflineShare:P0})");
        PeerFigure[] peers = [.. PeerFigures.For(config, workload, median.Limits)];
        if (peers.Length > 0)
        {
            string limit = workload.Phase == WorkloadPhase.Prefill ? "FMA peak" : "bandwidth";
            IEnumerable<string> figures = peers.Select(peer => $"{peer.Weights} {peer.TokensPerSecond:F1} tok/s, ours is {median.Rate / peer.TokensPerSecond:F2} ×");
            output.WriteLine($"    {PeerFigures.Name} elsewhere, scaled by this machine's {limit}: {string.Join("; ", figures)}");
        }

        if (operators)
        {
            foreach ((string name, OperatorTotals one) in median.Operators.OrderByDescending(entry => entry.Value.Seconds))
            {
                output.WriteLine(
                    $"    {name,-32} {one.Calls,5} calls {one.Seconds / median.Seconds,6:P1} of time {one.Bytes / one.Seconds / BenchCommand.Giga,7:F2} GB/s {one.Flops / one.Seconds / BenchCommand.Giga,7:F1} GFLOP/s  roofline {one.Roofline / one.Seconds:P0}");
            }

            output.WriteLine($"    {"between operators",-44} {1 - (median.Total.Seconds / median.Seconds),6:P1} of time");
        }

        output.Flush();
    }

    private static void Write(Utf8JsonWriter json, ModelConfig config, List<(Workload Workload, WorkloadSample[] Samples)> measured)
    {
        json.WriteStartArray("workloads");
        foreach ((Workload workload, WorkloadSample[] samples) in measured)
        {
            WorkloadSample median = samples[samples.Length / 2];
            json.WriteStartObject();
            json.WriteString("phase", workload.PhaseName);
            json.WriteNumber("context", workload.Context);
            json.WriteNumber("batch", workload.Batch);
            json.WriteNumber("tokens_per_second", median.Rate);
            json.WriteArray("runs_tokens_per_second", samples.Select(sample => sample.Rate), json.WriteNumberValue);
            json.WriteNumber("bytes_per_token", median.Total.Bytes / median.Tokens);
            json.WriteNumber("flops_per_token", median.Total.Flops / median.Tokens);
            BenchCommand.WriteLimits(json, median.Limits);
            json.WriteNumber("bandwidth_share", median.BandwidthShare);
            json.WriteNumber("peak_share", median.PeakShare);
            json.WriteNumber("roofline_share", median.RooflineShare);
            json.WriteArray("roofline_shares", samples.Select(sample => sample.RooflineShare), json.WriteNumberValue);
            WritePeers(json, PeerFigures.For(config, workload, median.Limits));
            json.WriteStartObject("operators");
            foreach ((string name, OperatorTotals one) in median.Operators)
            {
                json.WriteStartObject(name);
                json.WriteNumber("calls", one.Calls);
                json.WriteNumber("seconds", one.Seconds);
                json.WriteNumber("bytes", one.Bytes);
                json.WriteNumber("flops", one.Flops);
                json.WriteNumber("roofline_seconds", one.Roofline);
                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WritePeers(Utf8JsonWriter json, IEnumerable<PeerFigure> peers)
    {
        json.WriteStartArray("peers");
        foreach (PeerFigure peer in peers)
        {
            json.WriteStartObject();
            json.WriteString("name", PeerFigures.Name);
            json.WriteString("weights", peer.Weights);
            json.WriteNumber("scaled_tokens_per_second", peer.TokensPerSecond);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
