using System.CommandLine;
using System.Text.Json;
using Conclave.Checkpoints;
using Conclave.Cli.Frame;
using Conclave.Kernels;
using Conclave.Measurement;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>conclave bench model: prefill and decode.</summary>
internal static class BenchModelCommand
{
    public static Command Create()
    {
        Argument<string> directory = ModelDirectory.Argument();
        Option<string> prefill = new("--prefill") { Description = "Lengths of prompts", HelpName = "N,…", DefaultValueFactory = _ => "64,512" };
        Option<string> decode = new("--decode") { Description = "Tokens in the cache before the steps", HelpName = "N,…", DefaultValueFactory = _ => "0" };
        Option<string> batch = new("--batch") { Description = "Sequences decoded together", HelpName = "N,…", DefaultValueFactory = _ => "1" };
        Option<int> steps = new("--steps") { Description = "Steps of a decode run", HelpName = "N", DefaultValueFactory = _ => 8 };
        Option<int> repeat = BenchCommand.Repeat(5);
        Option<bool> operators = new("--operators") { Description = "Show each operator's part" };
        Option<bool> json = new("--json") { Description = "Write one JSON object" };
        ComputeOptions compute = new();
        CliCommand command = new(
            "model", "Measures prefill and decode of a model. The roofline is the sum over operators of max(bytes ÷ bandwidth, operations ÷ peak).",
            ("conclave bench model DIR --prefill 64,512 --decode 0,4096 --batch 1,16", "two prompts, and four kinds of steps"),
            ("conclave bench model DIR --prefill 512 --operators", "where the time goes"))
        {
            directory, prefill, decode, batch, steps, repeat, operators, json,
        };
        compute.AddTo(command, cache: false);
        command.SetAction((result, cancellation) =>
        {
            List<Workload> workloads = Workloads(result, prefill, decode, batch);
            string folder = ModelDirectory.Resolve(result.GetRequiredValue(directory));
            using Checkpoint checkpoint = ProgressBar.Opening(progress => Checkpoint.Open(folder, progress));
            KernelSet kernels = compute.Kernels(result);
            using WorkerTeam team = new(compute.Threads(result));
            using ModelBenchmark benchmark = new(
                checkpoint, kernels, team, workloads, ElementFormat.F32, BenchCommand.Positive(result, steps));
            int runs = BenchCommand.Positive(result, repeat);
            TextWriter output = result.InvocationConfiguration.Output;
            List<(Workload, WorkloadSample[])> measured = [];
            foreach (Workload workload in workloads)
            {
                WorkloadSample[] samples = Measure(benchmark, workload, runs, cancellation);
                measured.Add((workload, samples));
                if (!result.GetValue(json))
                {
                    Print(output, workload, samples, result.GetValue(operators));
                }
            }

            if (result.GetValue(json))
            {
                JsonOutput.WriteLine(output, writer => Write(writer, kernels, team, measured), indented: true);
            }

            return Task.CompletedTask;
        });
        return command;
    }

    private static List<Workload> Workloads(ParseResult result, Option<string> prefill, Option<string> decode, Option<string> batch)
    {
        List<Workload> workloads = [.. BenchCommand.Numbers(result, prefill, 1).Select(length => new Workload("prefill", length, 1))];
        int[] batches = BenchCommand.Numbers(result, batch, 1);
        foreach (int context in BenchCommand.Numbers(result, decode, 0))
        {
            workloads.AddRange(batches.Select(sequences => new Workload("decode", context, sequences)));
        }

        return workloads.Count > 0 ? workloads : throw new UserErrorException("nothing to measure: --prefill and --decode are both empty");
    }

    /// <summary>Samples by rising share of the roofline, after one run that is not counted.</summary>
    private static WorkloadSample[] Measure(ModelBenchmark benchmark, Workload workload, int runs, CancellationToken cancellation)
    {
        benchmark.Run(workload);
        WorkloadSample[] samples = new WorkloadSample[runs];
        for (int run = 0; run < runs; run++)
        {
            cancellation.ThrowIfCancellationRequested();
            samples[run] = benchmark.Run(workload);
        }

        Array.Sort(samples, static (a, b) => a.RooflineShare.CompareTo(b.RooflineShare));
        return samples;
    }

    private static void Print(TextWriter output, Workload workload, WorkloadSample[] samples, bool operators)
    {
        WorkloadSample median = samples[samples.Length / 2];
        string what = workload.Phase == "prefill" ? $"prefill {workload.Context}" : $"decode at {workload.Context} × {workload.Batch}";
        output.WriteLine(
            $"{what,-20} {median.Rate,8:F2} tok/s  {BenchCommand.Rate(median.Total.Bytes / median.Seconds, median.Limits.Bandwidth, "GB/s")}  {BenchCommand.Rate(median.Total.Flops / median.Seconds, median.Limits.Peak, "GFLOP/s")}  roofline {median.RooflineShare:P0} ({samples[0].RooflineShare:P0} … {samples[^1].RooflineShare:P0})");
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

    private static void Write(Utf8JsonWriter json, KernelSet kernels, WorkerTeam team, List<(Workload Workload, WorkloadSample[] Samples)> measured)
    {
        json.WriteStartObject();
        BenchCommand.WriteSetting(json, kernels, team);
        json.WriteStartArray("workloads");
        foreach ((Workload workload, WorkloadSample[] samples) in measured)
        {
            WorkloadSample median = samples[samples.Length / 2];
            json.WriteStartObject();
            json.WriteString("phase", workload.Phase);
            json.WriteNumber("context", workload.Context);
            json.WriteNumber("batch", workload.Batch);
            json.WriteNumber("tokens_per_second", median.Rate);
            json.WriteNumber("bytes_per_token", median.Total.Bytes / median.Tokens);
            json.WriteNumber("flops_per_token", median.Total.Flops / median.Tokens);
            BenchCommand.WriteLimits(json, median.Limits);
            json.WriteNumber("bandwidth_share", median.BandwidthShare);
            json.WriteNumber("peak_share", median.PeakShare);
            json.WriteNumber("roofline_share", median.RooflineShare);
            json.WriteStartArray("roofline_shares");
            foreach (WorkloadSample sample in samples)
            {
                json.WriteNumberValue(sample.RooflineShare);
            }

            json.WriteEndArray();
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
        json.WriteEndObject();
    }
}
