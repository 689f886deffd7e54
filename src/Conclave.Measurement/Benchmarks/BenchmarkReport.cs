using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>One thing that was measured.</summary>
/// <param name="Label">What it was; no two rows of a report have the same.</param>
/// <param name="Group">Rows of one kind: "prefill", "decode"; the limit that binds an operator; "start".</param>
/// <param name="Figure">The figure that people quote, with its unit.</param>
/// <param name="Speeds">How often per second it was done (tokens, calls, starts), run by run.</param>
/// <param name="Shares">Share of the roofline, run by run; empty where there is none.</param>
public sealed record BenchmarkRow(string Label, string Group, string Figure, double[] Speeds, double[] Shares);

/// <summary>What <c>conclave bench … --json</c> wrote, read back: an earlier file, or this run's own output.</summary>
public sealed class BenchmarkReport
{
    /// <summary>The group of operators that read more than they compute, by the machine's limits.</summary>
    public const string BandwidthBound = "limited by read bandwidth";

    /// <summary>The group of operators that compute more than they read.</summary>
    public const string PeakBound = "limited by multiply-add peak";

    /// <summary>The group of rows whose speed is that of starting.</summary>
    public const string Start = "start";

    private const double Giga = 1e9;
    private const long MaxFileBytes = 64 << 20;

    /// <summary>Speeds, sizes and shares lie far within; their ratios stay finite.</summary>
    private const double Tiny = 1e-15, Huge = 1e24;

    private static readonly string[] SettingNames = ["isa", "threads", "machine", "runtime", "model", "directory", "steps", "max_batched_tokens", "ranks", "hosts", "dp", "tp"];

    private BenchmarkReport(IReadOnlyDictionary<string, string> setting, IReadOnlyList<BenchmarkRow> rows)
    {
        Setting = setting;
        Rows = rows;
    }

    /// <summary>How it was measured: isa, threads, machine, runtime and, of a model, model, directory, steps, max_batched_tokens, ranks, hosts, dp, tp.</summary>
    public IReadOnlyDictionary<string, string> Setting { get; }

    /// <summary>What was measured, in the order of the file.</summary>
    public IReadOnlyList<BenchmarkRow> Rows { get; }

    /// <summary>Reads a file.</summary>
    /// <param name="file">Its path.</param>
    /// <param name="benchmark">"model" or "kernels": which of the benchmarks must have written it.</param>
    /// <exception cref="UserErrorException">It is no such output.</exception>
    public static BenchmarkReport ReadFile(string file, string benchmark) => Read(JsonCursor.ReadFile(file, MaxFileBytes), benchmark);

    /// <summary>Reads an output.</summary>
    /// <param name="root">The JSON object.</param>
    /// <param name="benchmark">"model" or "kernels": which of the benchmarks must have written it.</param>
    /// <exception cref="UserErrorException">It is no such output.</exception>
    public static BenchmarkReport Read(JsonCursor root, string benchmark)
    {
        string array = benchmark == "model" ? "workloads" : "kernels";
        if (!root.Has(array))
        {
            throw root.Error($"\"{array}\" is missing; the output of `conclave bench {benchmark} --json` is expected");
        }

        List<BenchmarkRow> rows = [];
        if (benchmark == "model")
        {
            AddStarts(rows, root.Optional("start"));
            rows.AddRange(root.Required(array).Items().Select(Workload));
        }
        else
        {
            JsonCursor[] kernels = [.. root.Required(array).Items()];
            bool severalSets = kernels.Select(InstructionSet).Distinct().Count() > 1;
            rows.AddRange(kernels.Select(kernel => Kernel(kernel, severalSets)));
        }

        HashSet<string> labels = [];
        if (rows.FirstOrDefault(row => !labels.Add(row.Label)) is { } twice)
        {
            throw root.Error($"\"{twice.Label}\" was measured twice; each is expected once");
        }

        Dictionary<string, string> setting = [];
        foreach (string name in SettingNames)
        {
            if (root.Optional(name) is { } value)
            {
                setting[name] = value.Kind == System.Text.Json.JsonValueKind.String ? value.String() : value.Describe();
            }
        }

        return new BenchmarkReport(setting, rows);
    }

    private static BenchmarkRow Workload(JsonCursor item)
    {
        WorkloadPhase phase = item.Required("phase").String() switch
        {
            "prefill" => WorkloadPhase.Prefill,
            "decode" => WorkloadPhase.Decode,
            string other => throw item.Error($"phase \"{other}\"; \"prefill\" or \"decode\" is expected"),
        };
        Workload workload = new(phase, Count(item, "context", 0), Count(item, "batch", 1));
        return new BenchmarkRow(
            workload.Label, workload.PhaseName, $"{Number(item, "tokens_per_second"):F2} tok/s", Numbers(item, "runs_tokens_per_second"), Numbers(item, "roofline_shares"));
    }

    private static string InstructionSet(JsonCursor item) => item.Required("isa").String();

    /// <summary>Rows of one instruction set do not name it: those of two sets can then be compared.</summary>
    private static BenchmarkRow Kernel(JsonCursor item, bool severalSets)
    {
        KernelName kernel = new(item.Required("operator").String(), Format(item), item.Required("shape").String(), Count(item, "inputs", 1));
        MachineLimits limits = new(Number(item, "limit_bytes_per_second"), Number(item, "limit_flops"));
        OperatorCost cost = new(Number(item, "bytes"), Number(item, "flops"));
        double seconds = Number(item, "seconds");
        double[] runs = Numbers(item, "runs_seconds");
        bool reads = cost.Bytes / limits.Bandwidth >= cost.Flops / limits.Peak;
        return new BenchmarkRow(
            severalSets ? $"{InstructionSet(item)} {kernel.Label}" : kernel.Label,
            reads ? BandwidthBound : PeakBound,
            reads
                ? $"{cost.Bytes / seconds / Giga:F1} of {limits.Bandwidth / Giga:F1} GB/s"
                : $"{cost.Flops / seconds / Giga:F1} of {limits.Peak / Giga:F1} GFLOP/s",
            [.. runs.Select(run => 1 / run)],
            [.. runs.Select(run => limits.Roofline(cost) / run)]);
    }

    private static void AddStarts(List<BenchmarkRow> rows, JsonCursor? start)
    {
        foreach (string kind in new[] { "warm", "cold" })
        {
            if (start?.Optional(kind) is { } item)
            {
                rows.Add(new BenchmarkRow(
                    $"start, {kind}", Start, $"{Number(item, "seconds"):F2} s", [.. Numbers(item, "runs_seconds").Select(run => 1 / run)], []));
            }
        }
    }

    private static ElementFormat Format(JsonCursor item)
    {
        JsonCursor format = item.Required("format");
        return Enum.TryParse(format.String(), out ElementFormat value) && Enum.IsDefined(value)
            ? value
            : throw format.Error($"{format.Describe()}; the name of a format such as F8_E4M3 is expected");
    }

    private static int Count(JsonCursor item, string name, int least) => item.Required(name).Int32(least, int.MaxValue);

    private static double Number(JsonCursor item, string name) => item.Required(name).Double(Tiny, Huge);

    private static double[] Numbers(JsonCursor item, string name)
    {
        JsonCursor array = item.Required(name);
        double[] numbers = [.. array.Items().Select(number => number.Double(Tiny, Huge))];
        return numbers.Length > 0 ? numbers : throw array.Error("empty; the figure of at least one run is expected");
    }
}
