using System.Buffers;
using System.CommandLine;
using System.Text.Json;
using Conclave.Cli.Frame;
using Conclave.Measurement;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>What a benchmark does with its result: --json, --plot, --compare. All three work from the JSON, so it carries everything that they show.</summary>
internal sealed class BenchOutput(string benchmark)
{
    /// <summary>Room for the label of a row, in a format: to the left of it.</summary>
    public const int LabelWidth = -48;

    private readonly Option<bool> _json = new("--json") { Description = "Write one JSON object" };

    private readonly Option<string?> _compare = new("--compare")
    {
        Description = "An earlier --json output of this command; shows how many times as fast each row is now", HelpName = "OLD.json",
    };

    private readonly PlotFile _plot = new("Draw the result, with the range of the runs");

    /// <summary>Adds the options.</summary>
    public void AddTo(Command command)
    {
        command.Add(_json);
        command.Add(_compare);
        _plot.AddTo(command);
    }

    /// <summary>True where standard output belongs to the JSON.</summary>
    public bool IsJson(ParseResult result) => result.GetValue(_json);

    /// <summary>The report to compare with, or null. Called before anything is measured: mistakes in the options should not cost that time.</summary>
    public BenchmarkReport? Earlier(ParseResult result)
    {
        _plot.Check(result);
        return result.GetValue(_compare) is { } file ? BenchmarkReport.ReadFile(file, benchmark) : null;
    }

    /// <summary>Compares, writes and draws.</summary>
    /// <param name="result">The options.</param>
    /// <param name="earlier">What <see cref="Earlier"/> returned.</param>
    /// <param name="members">Writes the members of the JSON object.</param>
    public void Finish(ParseResult result, BenchmarkReport? earlier, Action<Utf8JsonWriter> members)
    {
        TextWriter output = result.InvocationConfiguration.Output;
        ArrayBufferWriter<byte> own = new();
        using (Utf8JsonWriter json = new(own))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        BenchmarkReport report = BenchmarkReport.Read(JsonCursor.Parse("this run", own.WrittenMemory), benchmark);
        BenchmarkComparison? comparison = earlier is null ? null : new BenchmarkComparison(earlier, report);
        if (IsJson(result))
        {
            JsonOutput.WriteLine(
                output,
                json =>
                {
                    json.WriteStartObject();
                    members(json);
                    if (comparison is not null)
                    {
                        Write(json, comparison);
                    }

                    json.WriteEndObject();
                },
                indented: true);
        }
        else if (comparison is not null)
        {
            Print(output, comparison, result.GetValue(_compare)!);
        }

        // At the end: where it cannot be written, the figures are there.
        _plot.Write(result, () => BenchmarkPlot.Svg(report));
    }

    private static void Print(TextWriter output, BenchmarkComparison comparison, string file)
    {
        output.WriteLine();
        output.WriteLine($"now ÷ {file}: medians (worst now ÷ best then … best now ÷ worst then)");
        foreach ((string name, string earlier, string later) in comparison.Differences)
        {
            output.WriteLine(Terminal.Printable($"  not the same {name}: {earlier} then, {later} now"));
        }

        foreach (ComparedRow row in comparison.Rows)
        {
            string share = row.Share is { } ratio ? $"  roofline share × {Range(ratio)}" : "";
            output.WriteLine(Terminal.Printable($"  {row.Label,LabelWidth} speed × {Range(row.Speed)}{share}"));
        }

        foreach (string label in comparison.OnlyEarlier)
        {
            output.WriteLine(Terminal.Printable($"  {label,LabelWidth} then only"));
        }

        foreach (string label in comparison.OnlyLater)
        {
            output.WriteLine(Terminal.Printable($"  {label,LabelWidth} now only"));
        }
    }

    private static string Range(RunRatio ratio) => $"{ratio.Median:F2} ({ratio.Min:F2} … {ratio.Max:F2})";

    private static void Write(Utf8JsonWriter json, BenchmarkComparison comparison)
    {
        json.WriteStartObject("comparison");
        json.WriteStartObject("differences");
        foreach ((string name, string earlier, string later) in comparison.Differences)
        {
            json.WriteStartObject(name);
            json.WriteString("then", earlier);
            json.WriteString("now", later);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteStartArray("rows");
        foreach (ComparedRow row in comparison.Rows)
        {
            json.WriteStartObject();
            json.WriteString("label", row.Label);
            WriteRatio(json, "speed", row.Speed);
            if (row.Share is { } share)
            {
                WriteRatio(json, "roofline_share", share);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteArray("then_only", comparison.OnlyEarlier, json.WriteStringValue);
        json.WriteArray("now_only", comparison.OnlyLater, json.WriteStringValue);
        json.WriteEndObject();
    }

    private static void WriteRatio(Utf8JsonWriter json, string name, RunRatio ratio)
    {
        json.WriteStartObject(name);
        json.WriteNumber("min", ratio.Min);
        json.WriteNumber("median", ratio.Median);
        json.WriteNumber("max", ratio.Max);
        json.WriteEndObject();
    }
}
