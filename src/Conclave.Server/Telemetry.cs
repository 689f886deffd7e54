using Conclave.Engine;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Conclave.Server;

/// <summary>What leaves the process about it: metrics for Prometheus, traces for an OpenTelemetry collector.</summary>
internal static class Telemetry
{
    // Not ours: of the HTTP server that is part of the framework.
    private const string HttpSource = "Microsoft.AspNetCore";

    public static void AddTelemetry(this WebApplicationBuilder builder, InferenceEngine engine, Uri? traceEndpoint)
    {
        // What says who tells something, in metrics too; the standard variable has the last word, here and below.
        builder.Configuration["OTEL_SERVICE_NAME"] ??= "conclave";
        builder.Services.AddOpenTelemetry().WithMetrics(metrics =>
        {
            metrics.AddMeter(InferenceEngine.MeterName).AddPrometheusExporter();
            if (engine.ExpertLoad is { } load)
            {
                // By default more than 2,000 series of an instrument become one.
                int series = Enumerable.Range(0, load.Layers).Sum(layer => load.Tokens(layer).Length);
                metrics.AddView(InferenceEngine.ExpertTokens, new MetricStreamConfiguration { CardinalityLimit = series + 1 });
            }
        });
        if (traceEndpoint is null)
        {
            return;
        }

        // The exporter reads the standard variables itself; these are what they say where they are not set.
        builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] = traceEndpoint.ToString();
        builder.Configuration["OTEL_EXPORTER_OTLP_PROTOCOL"] ??= "http/protobuf";
        builder.Services.AddOpenTelemetry().WithTracing(traces => traces.AddSource(InferenceEngine.ActivitySourceName, HttpSource).AddOtlpExporter());
    }
}
