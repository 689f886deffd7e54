using System.CommandLine;
using System.Text.Json;
using Conclave.Cli.Frame;
using Conclave.Kernels;
using Conclave.Measurement;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>conclave bench kernels: single operators.</summary>
internal static class BenchKernelsCommand
{
    private const double Micro = 1e-6;

    public static Command Create()
    {
        Option<string> filter = new("--filter")
        {
            Description = "Only cases whose operator/format contains this", HelpName = "TEXT", DefaultValueFactory = _ => "",
        };
        Option<int> repeat = BenchCommand.Repeat(11);
        BenchOutput outputs = new("kernels");
        ComputeOptions compute = new();
        CliCommand command = new(
            "kernels", "Measures operators on weights that no cache holds.",
            ("conclave bench kernels --filter matmul/F8", "FP8 projections"),
            ("conclave bench kernels --isa avx2 --threads 1 --json > old.json", "one instruction set on one thread, to compare with"),
            ("conclave bench kernels --compare old.json --plot kernels.svg", "what has changed, and a picture"))
        {
            filter, repeat,
        };
        outputs.AddTo(command);
        compute.AddTo(command, cache: false);
        command.SetAction((result, cancellation) =>
        {
            BenchmarkReport? earlier = outputs.Earlier(result);
            int runs = BenchCommand.Positive(result, repeat);
            string wanted = result.GetValue(filter) ?? "";
            KernelCase[] kernelCases = [.. KernelBenchmark.Cases().Where(one => Name(one).Contains(wanted, StringComparison.OrdinalIgnoreCase))];
            PrepareCase[] prepareCases = [.. PrepareBenchmark.Cases().Where(one => Name(one).Contains(wanted, StringComparison.OrdinalIgnoreCase))];
            if (kernelCases.Length + prepareCases.Length == 0)
            {
                IEnumerable<string> names = KernelBenchmark.Cases().Select(Name).Concat(PrepareBenchmark.Cases().Select(Name)).Distinct();
                throw new UserErrorException($"--filter {wanted}: no case has this in its operator/format; there are {string.Join(", ", names)}");
            }

            KernelSet kernels = compute.Kernels(result);
            using WorkerTeam team = new(compute.Threads(result));
            using MachineProbe probe = new(kernels);
            using ColdWeights weights = new();
            KernelBenchmark benchmark = new(kernels, team, probe, weights);
            TextWriter output = result.InvocationConfiguration.Output;
            List<KernelSample> samples = [];
            foreach (KernelCase kernel in kernelCases)
            {
                cancellation.ThrowIfCancellationRequested();
                KernelSample sample = benchmark.Run(kernel, runs);
                samples.Add(sample);
                if (!outputs.IsJson(result))
                {
                    output.WriteLine(
                        $"{kernels.Name,-9} {kernel.Label,-38} {sample.Seconds / Micro,9:F0} µs  {BenchCommand.Rate(sample.Bytes / sample.Seconds, sample.Limits.Bandwidth, "GB/s")}  {BenchCommand.Rate(sample.Flops / sample.Seconds, sample.Limits.Peak, "GFLOP/s")}  roofline {sample.RooflineShare,4:P0}  {sample.ReferenceSeconds / sample.Seconds,5:F0} × reference");
                    output.Flush();
                }
            }

            PrepareBenchmark prepareBenchmark = new(kernels, team, probe, weights);
            List<PrepareSample> prepares = [];
            foreach (PrepareCase prepare in prepareCases)
            {
                cancellation.ThrowIfCancellationRequested();
                PrepareSample sample = prepareBenchmark.Run(prepare, runs);
                prepares.Add(sample);
                if (!outputs.IsJson(result))
                {
                    output.WriteLine(
                        $"{kernels.Name,-9} {prepare.Label,-38} {sample.Seconds / Micro,9:F0} µs  {BenchCommand.Rate(sample.Bytes / sample.Seconds, sample.Limits.Bandwidth, "GB/s")}  {BenchCommand.Rate(sample.Flops / sample.Seconds, sample.Limits.Peak, "GFLOP/s")}  {sample.SequentialSeconds / sample.Seconds:F2} × one after the other");
                    output.Flush();
                }
            }

            outputs.Finish(result, earlier, writer => Write(writer, kernels, team, samples, prepares));
            return Task.CompletedTask;
        });
        return command;
    }

    private static string Name(KernelCase one) => $"{one.Operator}/{one.Format}";

    private static string Name(PrepareCase one) => $"prepare/{one.Format}";

    private static void Write(Utf8JsonWriter json, KernelSet kernels, WorkerTeam team, List<KernelSample> samples, List<PrepareSample> prepares)
    {
        BenchCommand.WriteSetting(json, kernels, team);
        json.WriteStartArray("kernels");
        foreach (KernelSample sample in samples)
        {
            json.WriteStartObject();
            json.WriteString("operator", sample.Case.Operator);
            json.WriteString("format", sample.Case.Format.ToString());
            json.WriteNumber("rows", sample.Case.Rows);
            json.WriteNumber("columns", sample.Case.Columns);
            json.WriteNumber("inputs", sample.Case.Inputs);
            json.WriteNumber("seconds", sample.Seconds);
            BenchCommand.WriteNumbers(json, "runs_seconds", sample.Runs);
            json.WriteNumber("bytes", sample.Bytes);
            json.WriteNumber("flops", sample.Flops);
            BenchCommand.WriteLimits(json, sample.Limits);
            json.WriteNumber("roofline_share", sample.RooflineShare);
            json.WriteNumber("times_reference", sample.ReferenceSeconds / sample.Seconds);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("prepare");
        foreach (PrepareSample sample in prepares)
        {
            json.WriteStartObject();
            json.WriteString("model", sample.Case.Model);
            json.WriteString("format", sample.Case.Format.ToString());
            json.WriteNumber("tokens", sample.Case.Tokens);
            json.WriteNumber("seconds", sample.Seconds);
            BenchCommand.WriteNumbers(json, "runs_seconds", sample.Runs);
            json.WriteNumber("seconds_one_after_the_other", sample.SequentialSeconds);
            json.WriteNumber("bytes", sample.Bytes);
            json.WriteNumber("flops", sample.Flops);
            BenchCommand.WriteLimits(json, sample.Limits);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
