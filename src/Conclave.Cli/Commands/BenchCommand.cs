using System.CommandLine;
using System.Text.Json;
using Conclave.Cli.Frame;
using Conclave.Kernels;
using Conclave.Measurement;
using Conclave.Parallel.Launch;

namespace Conclave.Cli.Commands;

/// <summary>conclave bench: speed; where it is our own process, beside the limits of the machine measured in the same run.</summary>
internal static class BenchCommand
{
    /// <summary>Speeds are shown in 10^9 bytes and operations a second.</summary>
    public const double Giga = 1e9;

    // Every run is kept, with what its operators did.
    private const int MostRuns = 10_000;

    public static Command Create(RankLeader? leader) =>
        new CliCommand(
            "bench", "Measures speed: of models and operators as shares of what this machine can do at that moment, of servers under load. A container's quota of cores does not lower these limits, only the shares of them that can be reached.",
            ("conclave bench model models/fable", "prefill and decode of the bundled model"),
            ("conclave bench kernels --isa avx2", "single operators on one instruction set"),
            ("conclave bench serve http://127.0.0.1:8080 --clients 1,8,32", "a server under load"))
        {
            BenchModelCommand.Create(leader),
            BenchKernelsCommand.Create(),
            BenchServeCommand.Create(),
            BenchAblationCommand.Create(),
            BenchClosedLoopCommand.Create(leader),
        };

    /// <summary>--repeat, how many runs the median is taken of.</summary>
    public static Option<int> Repeat(int runs) => new("--repeat") { Description = "Runs of each; medians are reported", HelpName = "N", DefaultValueFactory = _ => runs };

    /// <summary>The value of --repeat.</summary>
    public static int Runs(ParseResult result, Option<int> repeat) => NumberOptions.InRange(repeat.Name, result.GetValue(repeat), 1, MostRuns);

    /// <summary>The value of an option that must be at least one.</summary>
    public static int Positive(ParseResult result, Option<int> option) => NumberOptions.AtLeast(option.Name, result.GetValue(option), 1);

    /// <summary>Numbers with commas between them; none where the option is empty.</summary>
    public static int[] Numbers(ParseResult result, Option<string> option, int least, int most = int.MaxValue) =>
        result.GetValue(option) is { Length: > 0 } text ? NumberOptions.List(option.Name, text, least, most) : [];

    /// <summary>"12.3 GB/s, 81 % of 15.2".</summary>
    public static string Rate(double perSecond, double limit, string unit) =>
        $"{perSecond / Giga,6:F1} {unit} {perSecond / limit,5:P0} of {limit / Giga,5:F1}";

    /// <summary>How it was measured, for programs.</summary>
    public static void WriteSetting(Utf8JsonWriter json, ReadOnlySpan<KernelSet> sets, WorkerTeam team)
    {
        json.WriteString("isa", string.Join(", ", sets.ToArray().Select(set => set.Name)));
        json.WriteNumber("threads", team.Count);
        json.WriteString("machine", MachineName());
        json.WriteString("runtime", System.Runtime.InteropServices.RuntimeInformation.FrameworkDescription);
    }

    /// <summary>What one thread can do at most, and all of a team together.</summary>
    public static (int Threads, MachineLimits Limits)[] Limits(WorkerTeam team, Func<WorkerTeam, MachineLimits> measure)
    {
        using WorkerTeam one = new(1);
        (int, MachineLimits) alone = (1, measure(one));
        return team.Count == 1 ? [alone] : [alone, (team.Count, measure(team))];
    }

    /// <summary>A line about them.</summary>
    public static void PrintLimits(TextWriter output, KernelSet kernels, (int Threads, MachineLimits Limits)[] limits)
    {
        IEnumerable<string> all = limits.Select(one => $"{one.Threads} thread{(one.Threads == 1 ? "" : "s")} {one.Limits.Bandwidth / Giga:F1} GB/s, {one.Limits.Peak / Giga:F1} GFLOP/s");
        output.WriteLine($"machine, {kernels.Name}: {string.Join("; ", all)}");
        output.Flush();
    }

    /// <summary>The same for programs.</summary>
    public static void WriteLimits(Utf8JsonWriter json, KernelSet kernels, (int Threads, MachineLimits Limits)[] limits)
    {
        foreach ((int threads, MachineLimits one) in limits)
        {
            json.WriteStartObject();
            json.WriteString("isa", kernels.Name);
            json.WriteNumber("threads", threads);
            WriteLimits(json, one);
            json.WriteEndObject();
        }
    }

    /// <summary>The limits during one measurement.</summary>
    public static void WriteLimits(Utf8JsonWriter json, MachineLimits limits)
    {
        json.WriteNumber("limit_bytes_per_second", Math.Round(limits.Bandwidth));
        json.WriteNumber("limit_flops", Math.Round(limits.Peak));
    }

    /// <summary>The processor as the system names it.</summary>
    public static string MachineName()
    {
        try
        {
            string? line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal));
            return line is null ? "unknown" : line[(line.IndexOf(':') + 1)..].Trim();
        }
        catch (IOException)
        {
            // Not Linux.
            return System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture.ToString();
        }
    }
}
