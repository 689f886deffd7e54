using System.Text.Json;
using Conclave.Cli.Frame;
using Conclave.Kernels;
using Conclave.Measurement;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>How `conclave generate` of this very program starts on a model, and the memory that it takes.</summary>
internal sealed class BenchModelStart(StartSample sample, long peakBytes)
{
    /// <summary>Runs it as child processes.</summary>
    public static BenchModelStart Measure(string folder, KernelSet kernels, int threads, int runs, CancellationToken cancellation)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new UserErrorException("--start: only Linux has the calls that it needs (posix_fadvise, mincore); leave it out here");
        }

        StartBenchmark benchmark = new(
            [
                .. ThisProgram.Command, "generate", "Once upon a time", "--model", folder, "--max-tokens", "1", "--ignore-eos",
                "--isa", kernels.Name, "--threads", $"{threads}",
            ],
            folder);
        StartSample sample = benchmark.Run(runs, cancellation);
        using JsonDocument answer = JsonDocument.Parse(benchmark.Output(["--json"], cancellation));
        return new BenchModelStart(sample, answer.RootElement.GetProperty("peak_resident_bytes").GetInt64());
    }

    /// <summary>For people.</summary>
    public void Print(TextWriter output)
    {
        output.WriteLine($"{"start, warm",-20} {Seconds(sample.Warm)}, the model's files in memory");
        output.WriteLine(sample.Cold is { } cold
            ? $"{"start, cold",-20} {Seconds(cold)}, {sample.ResidentShare:P1} of the model's files in memory before"
            : $"{"start, cold",-20} not measured: asking the kernel to drop the model's files had no effect, {sample.ResidentShare:P1} of their pages stayed in memory");
        output.WriteLine($"{"peak memory",-20} {peakBytes / BenchCommand.Giga,8:F2} GB resident, mapped files included, for one token");
        output.Flush();
    }

    /// <summary>For programs.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("start");
        WriteRuns(json, "warm", sample.Warm);
        if (sample.Cold is { } cold)
        {
            WriteRuns(json, "cold", cold);
        }

        json.WriteNumber("resident_share_after_dropping", sample.ResidentShare);
        json.WriteNumber("peak_resident_bytes", peakBytes);
        json.WriteEndObject();
    }

    private static string Seconds(double[] runs) => $"{RunRatio.MedianOf(runs),8:F2} s to the first token ({runs[0]:F2} … {runs[^1]:F2})";

    private static void WriteRuns(Utf8JsonWriter json, string name, double[] runs)
    {
        json.WriteStartObject(name);
        json.WriteNumber("seconds", RunRatio.MedianOf(runs));
        json.WriteArray("runs_seconds", runs, json.WriteNumberValue);
        json.WriteEndObject();
    }
}
