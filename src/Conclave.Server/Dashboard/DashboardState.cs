using System.Diagnostics;
using System.Diagnostics.Metrics;
using Conclave.Engine;

namespace Conclave.Server.Dashboard;

/// <summary>
/// What the dashboard shows: where the engine stands, tokens per second over the last five minutes and percentiles of the last latencies. It listens
/// to the meter of the engines in this process; what is recorded there costs the engine's thread some tens of nanoseconds and never waits.
/// </summary>
internal sealed class DashboardState : IDisposable
{
    private readonly InferenceEngine _engine;
    private readonly string _model;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly MeterListener _listener = new();
    private readonly TokenRate _prompt = new();
    private readonly TokenRate _generation = new();
    private readonly (string Name, LatencyWindow Window)[] _latencies =
    [
        ("time_to_first_token", new LatencyWindow()),
        ("inter_token_latency", new LatencyWindow()),
        ("e2e_request_latency", new LatencyWindow()),
    ];

    /// <summary>Begins to listen.</summary>
    /// <param name="engine">The engine, which must outlive this.</param>
    /// <param name="model">The name that the model is served under.</param>
    public DashboardState(InferenceEngine engine, string model)
    {
        _engine = engine;
        _model = model;
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == InferenceEngine.MeterName && Sink(instrument.Name) is { } sink)
            {
                listener.EnableMeasurementEvents(instrument, sink);
            }
        };
        _listener.SetMeasurementEventCallback<double>(static (_, seconds, _, sink) => ((LatencyWindow)sink!).Record(seconds));
        _listener.SetMeasurementEventCallback<long>((_, tokens, _, sink) => ((TokenRate)sink!).Add(Second, tokens));
        _listener.Start();
    }

    // From 1, so that a slot of TokenRate that was never used belongs to no second.
    private long Second => 1 + (long)Stopwatch.GetElapsedTime(_start).TotalSeconds;

    /// <summary>Stops listening.</summary>
    public void Dispose() => _listener.Dispose();

    /// <summary>What is to be shown now.</summary>
    public DashboardSnapshot Read()
    {
        EngineStatus status = _engine.Status;
        long second = Second;
        return new DashboardSnapshot(
            _model,
            _engine.ContextLength,
            Stopwatch.GetElapsedTime(_start).TotalSeconds,
            status.Running,
            status.Waiting,
            status.CacheBlocks,
            status.UsedBlocks,
            status.PrefixQueries,
            status.PrefixHits,
            status.Preemptions,
            _prompt.Total,
            _generation.Total,
            _prompt.Before(second),
            _generation.Before(second),
            [.. _latencies.Select(latency => latency.Window.Summarize(latency.Name))],
            _engine.ExpertLoad is { } load ? Loads(load) : null);
    }

    private static LayerLoad[] Loads(ExpertLoad load) =>
        [.. Enumerable.Range(0, load.Layers).Where(layer => !load.Tokens(layer).IsEmpty).Select(layer => new LayerLoad(layer, load.Tokens(layer).ToArray()))];

    private object? Sink(string instrument) => instrument switch
    {
        "conclave_prefill_tokens" => _prompt,
        "conclave_generation_tokens" => _generation,
        _ => Array.Find(_latencies, latency => instrument == $"conclave_{latency.Name}_seconds").Window,
    };
}
