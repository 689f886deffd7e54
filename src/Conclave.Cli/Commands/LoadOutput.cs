using System.Text.Json;
using Conclave.Cli.Frame;
using Conclave.Measurement.Load;

namespace Conclave.Cli.Commands;

/// <summary>What <c>conclave bench serve</c> shows.</summary>
internal sealed class LoadOutput(LoadTarget target, string model, LoadPlan plan, LoadObjective objective)
{
    private static readonly double[] Percentiles = [50, 90, 95, 99];

    private readonly List<(string Label, LoadResult Result)> _runs = [];

    private bool HasObjective => objective.TimeToFirstToken is not null || objective.TimePerOutputToken is not null;

    /// <summary>What was measured.</summary>
    public IReadOnlyList<(string Label, LoadResult Result)> Runs => _runs;

    /// <summary>Adds a run, and prints it where there is a place for text.</summary>
    public void Add(string label, LoadResult run, TextWriter? text)
    {
        _runs.Add((label, run));
        if (text is not null)
        {
            Print(text, label, run);
            text.Flush();
        }
    }

    /// <summary>The picture of all runs.</summary>
    public string Svg() => LoadPlot.Svg($"{model} at {target.Api}", plan.Description, _runs);

    /// <summary>All runs for programs.</summary>
    public void WriteJson(TextWriter output)
    {
        JsonOutput.WriteLine(output, Write, indented: true);
        output.Flush();
    }

    private void Print(TextWriter text, string label, LoadResult run)
    {
        void Line(string line) => text.WriteLine(Terminal.Printable(line));
        if (_runs.Count == 1)
        {
            Line($"{model} at {target.Api}: {plan.Description}");
        }

        string stopped = run.Interrupted ? $", interrupted with {run.Abandoned} under way" : "";
        Line($"{label}: {run.Answered} answered, {run.Failed} failed in {run.Seconds:F1} s{stopped}");
        foreach ((string kind, (int count, string example)) in run.Failures)
        {
            Line($"  {count} × {kind}{(example.Length == 0 ? "" : $": {example}")}");
        }

        string good = HasObjective ? $", goodput {run.PerSecond(run.Good):F2} requests/s" : "";
        string busy = run.BusyOutputRate is { } rate ? $" ({rate:F1} while all clients were busy)" : "";
        Line($"  {run.PerSecond(run.Answered):F2} requests/s{good}, {run.PerSecond(run.InputTokens):F1} input tokens/s, {run.PerSecond(run.OutputTokens):F1} output tokens/s{busy}");
        foreach (string note in Notes(run))
        {
            Line($"  {note}");
        }

        if (run.Answered > 0)
        {
            Line($"  {"ms",-22}{"mean",10}{string.Concat(Percentiles.Select(percent => $"{$"p{percent}",10}"))}{"max",10}");
            foreach ((string name, string _, Latencies latencies) in Distributions(run))
            {
                Line($"  {name,-22}{latencies.Mean,10:F2}{string.Concat(Percentiles.Select(percent => $"{latencies.Percentile(percent),10:F2}"))}{latencies.Max,10:F2}");
            }
        }

        if (Ratios(run) is { } ratio)
        {
            Line($"  {label} ÷ {_runs[0].Label}: output tokens/s × {ratio.Tokens:F2}, requests/s × {ratio.Requests:F2}");
        }
    }

    private static IEnumerable<string> Notes(LoadResult run)
    {
        if (run.CachedTokens is { } cached && run.InputTokens > 0)
        {
            yield return $"{(double)cached / run.InputTokens:P1} of the input tokens came from the server's cache";
        }

        if (run.Short > 0)
        {
            yield return $"{run.Short} answers had fewer tokens than asked for";
        }

        if (run.WithoutUsage > 0)
        {
            yield return $"{run.WithoutUsage} answers came without usage: their chunks are counted as tokens, their prompts as nothing";
        }

        if (run.Seconds > 0)
        {
            yield return $"this client used {run.ClientCpuSeconds / run.Seconds:F2} cores; {(double)run.OutputTokens / Math.Max(run.Chunks, 1):F2} tokens a chunk";
        }
    }

    private static IEnumerable<(string Text, string Json, Latencies Latencies)> Distributions(LoadResult run) =>
        new[]
        {
            ("TTFT", "ttft_ms", run.TimeToFirstToken),
            ("ITL", "itl_ms", run.InterTokenLatency),
            ("between chunks", "chunk_gap_ms", run.ChunkGap),
            ("TPOT", "tpot_ms", run.TimePerOutputToken),
            ("end to end", "e2e_ms", run.EndToEnd),
            ("sent late by", "lateness_ms", run.Lateness),
        }.Where(one => one.Item3.Count > 0);

    /// <summary>Of a run by the first one; null for that one, and where it had no answers.</summary>
    private (double Tokens, double Requests)? Ratios(LoadResult run)
    {
        LoadResult first = _runs[0].Result;
        return ReferenceEquals(run, first) || first.OutputTokens == 0
            ? null
            : (run.PerSecond(run.OutputTokens) / first.PerSecond(first.OutputTokens), run.PerSecond(run.Answered) / first.PerSecond(first.Answered));
    }

    private void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("server", target.Api.ToString());
        json.WriteString("model", model);
        json.WriteString("endpoint", target.Endpoint == LoadEndpoint.Chat ? "chat" : "completions");
        json.WriteString("workload", plan.Description);
        json.WriteString("machine", BenchCommand.MachineName());
        WriteMilliseconds(json, "slo_ttft_ms", objective.TimeToFirstToken);
        WriteMilliseconds(json, "slo_itl_ms", objective.TimePerOutputToken);
        json.WriteStartArray("runs");
        for (int i = 0; i < _runs.Count; i++)
        {
            Write(json, _runs[i].Label, plan.Clients.Length > 0 ? plan.Clients[i] : null, _runs[i].Result);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void Write(Utf8JsonWriter json, string label, int? clients, LoadResult run)
    {
        json.WriteStartObject();
        json.WriteString("label", label);
        if (clients is { } number)
        {
            json.WriteNumber("clients", number);
        }

        WriteCounts(json, run);
        WriteRates(json, run);
        WriteDistributions(json, run);
        json.WriteEndObject();
    }

    private static void WriteCounts(Utf8JsonWriter json, LoadResult run)
    {
        json.WriteNumber("answered", run.Answered);
        json.WriteNumber("failed", run.Failed);
        json.WriteStartArray("failures");
        foreach ((string kind, (int count, string example)) in run.Failures)
        {
            json.WriteStartObject();
            json.WriteString("kind", kind);
            json.WriteNumber("count", count);
            json.WriteString("example", example);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteBoolean("interrupted", run.Interrupted);
        json.WriteNumber("abandoned", run.Abandoned);
        json.WriteNumber("short", run.Short);
        json.WriteNumber("without_usage", run.WithoutUsage);
        json.WriteNumber("seconds", run.Seconds);
        json.WriteNumber("client_cpu_seconds", run.ClientCpuSeconds);
        json.WriteNumber("input_tokens", run.InputTokens);
        json.WriteNumber("output_tokens", run.OutputTokens);
        json.WriteNumber("chunks", run.Chunks);
        if (run.CachedTokens is { } cached)
        {
            json.WriteNumber("cached_tokens", cached);
        }
    }

    private void WriteRates(Utf8JsonWriter json, LoadResult run)
    {
        json.WriteNumber("requests_per_second", run.PerSecond(run.Answered));
        json.WriteNumber("input_tokens_per_second", run.PerSecond(run.InputTokens));
        json.WriteNumber("output_tokens_per_second", run.PerSecond(run.OutputTokens));
        if (run.BusyOutputRate is { } busy)
        {
            json.WriteNumber("output_tokens_per_second_all_busy", busy);
        }

        if (HasObjective)
        {
            json.WriteNumber("good", run.Good);
            json.WriteNumber("goodput_requests_per_second", run.PerSecond(run.Good));
        }

        if (Ratios(run) is { } ratio)
        {
            json.WriteNumber("output_tokens_ratio_to_first", ratio.Tokens);
            json.WriteNumber("requests_ratio_to_first", ratio.Requests);
        }
    }

    private static void WriteDistributions(Utf8JsonWriter json, LoadResult run)
    {
        foreach ((string _, string name, Latencies latencies) in Distributions(run))
        {
            json.WriteStartObject(name);
            json.WriteNumber("count", latencies.Count);
            json.WriteNumber("mean", latencies.Mean);
            foreach (double percent in Percentiles)
            {
                json.WriteNumber($"p{percent}", latencies.Percentile(percent));
            }

            json.WriteNumber("max", latencies.Max);
            json.WriteEndObject();
        }
    }

    private static void WriteMilliseconds(Utf8JsonWriter json, string name, TimeSpan? time)
    {
        if (time is { } given)
        {
            json.WriteNumber(name, given.TotalMilliseconds);
        }
    }
}
