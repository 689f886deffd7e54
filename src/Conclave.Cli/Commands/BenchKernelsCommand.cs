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
            Description = "Only cases whose name contains this: operator/format shape × inputs", HelpName = "TEXT", DefaultValueFactory = _ => "",
        };
        Option<int> repeat = BenchCommand.Repeat(11);
        BenchOutput outputs = new("kernels");
        ComputeOptions compute = new();
        CliCommand command = new(
            "kernels", "Measures operators on weights that no cache holds.",
            ("conclave bench kernels --filter matmul/F8", "FP8 projections"),
            ("conclave bench kernels --filter attention --isa all", "attention on every instruction set of this machine"),
            ("conclave bench kernels --isa avx2 --threads 1 --json > old.json", "one instruction set on one thread, to compare with"),
            ("conclave bench kernels --compare old.json --plot kernels.svg", "what has changed, and a picture"))
        {
            filter, repeat,
        };
        outputs.AddTo(command);
        compute.AddTo(command, cache: false, everySet: true);
        command.SetAction((result, cancellation) =>
        {
            BenchmarkReport? earlier = outputs.Earlier(result);
            int runs = BenchCommand.Runs(result, repeat);
            string wanted = result.GetValue(filter) ?? "";
            KernelCase[] cases = [.. KernelBenchmark.Cases().Where(one => Name(one.Name).Contains(wanted, StringComparison.OrdinalIgnoreCase))];
            if (cases.Length == 0)
            {
                IEnumerable<string> names = KernelBenchmark.Cases().Select(one => $"{one.Name.Operator}/{one.Name.Format}").Distinct();
                throw new UserErrorException($"--filter {wanted}: no case has this in its name; there are {string.Join(", ", names)}");
            }

            KernelSet[] sets = compute.KernelSets(result);
            using WorkerTeam team = new(compute.Threads(result));
            using ColdWeights weights = new();
            TextWriter output = result.InvocationConfiguration.Output;
            List<(KernelSet Kernels, KernelSample Sample)> samples = [];
            List<(KernelSet Kernels, (int, MachineLimits)[] Limits)> limits = [];
            foreach (KernelSet kernels in sets)
            {
                using MachineProbe probe = new(kernels);
                limits.Add((kernels, BenchCommand.Limits(team, probe.Measure)));
                if (!outputs.IsJson(result))
                {
                    BenchCommand.PrintLimits(output, kernels, limits[^1].Limits);
                }

                KernelBenchmark benchmark = new(kernels, team, probe, weights);
                foreach (KernelCase kernel in cases)
                {
                    KernelSample sample = benchmark.Run(kernel, runs, cancellation);
                    samples.Add((kernels, sample));
                    if (!outputs.IsJson(result))
                    {
                        output.WriteLine(
                            $"{kernels.Name,-9} {sample.Name.Label,BenchOutput.LabelWidth} {sample.Seconds / Micro,9:F0} µs  {BenchCommand.Rate(sample.Cost.Bytes / sample.Seconds, sample.Limits.Bandwidth, "GB/s")}  {BenchCommand.Rate(sample.Cost.Flops / sample.Seconds, sample.Limits.Peak, "GFLOP/s")}  roofline {sample.RooflineShare,4:P0}  {sample.ReferenceSeconds / sample.Seconds,5:F0} × reference{Gain(sample)}");
                        output.Flush();
                    }
                }
            }

            // During the last one too.
            cancellation.ThrowIfCancellationRequested();
            outputs.Finish(result, earlier, json =>
            {
                BenchCommand.WriteSetting(json, sets, team);
                json.WriteStartArray("machine_limits");
                limits.ForEach(one => BenchCommand.WriteLimits(json, one.Kernels, one.Limits));
                json.WriteEndArray();
                Write(json, samples);
            });
            return Task.CompletedTask;
        });
        return command;
    }

    private static string Gain(KernelSample sample) => sample.SequentialSeconds is { } sequential ? $"  {sequential / sample.Seconds:F2} × one after the other" : "";

    private static string Name(KernelName one) => $"{one.Operator}/{one.Format} {one.Shape} × {one.Inputs}";

    private static void Write(Utf8JsonWriter json, List<(KernelSet, KernelSample)> samples)
    {
        json.WriteStartArray("kernels");
        foreach ((KernelSet kernels, KernelSample sample) in samples)
        {
            json.WriteStartObject();
            json.WriteString("isa", kernels.Name);
            json.WriteString("operator", sample.Name.Operator);
            json.WriteString("format", sample.Name.Format.ToString());
            json.WriteString("shape", sample.Name.Shape);
            json.WriteNumber("inputs", sample.Name.Inputs);
            json.WriteNumber("seconds", sample.Seconds);
            json.WriteArray("runs_seconds", sample.Runs, json.WriteNumberValue);
            json.WriteNumber("bytes", sample.Cost.Bytes);
            json.WriteNumber("flops", sample.Cost.Flops);
            BenchCommand.WriteLimits(json, sample.Limits);
            json.WriteNumber("roofline_share", sample.RooflineShare);
            json.WriteNumber("times_reference", sample.ReferenceSeconds / sample.Seconds);
            if (sample.SequentialSeconds is { } sequential)
            {
                json.WriteNumber("sequential_seconds", sequential);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
