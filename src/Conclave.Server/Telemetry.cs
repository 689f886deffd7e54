using Conclave.Engine;
using Conclave.Server.Http;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Conclave.Server;

/// <summary>What leaves the process about it: metrics for Prometheus, traces for an OpenTelemetry collector.</summary>
internal static class Telemetry
{
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
        builder.Services.AddOpenTelemetry().WithTracing(traces => traces
            .AddSource(InferenceEngine.ActivitySourceName)
            .AddAspNetCoreInstrumentation(http =>
            {
                // Not what asks all the time how the server does: probes, Prometheus, the dashboard.
                http.Filter = static context => context.Request.Path.StartsWithSegments("/v1", StringComparison.OrdinalIgnoreCase);
                http.EnrichWithHttpResponse = static (activity, response) =>
                    activity.SetTag("http.response.header.x-request-id", response.Headers[RequestId.Header].ToArray());
            })
            .AddOtlpExporter());
    }
}
