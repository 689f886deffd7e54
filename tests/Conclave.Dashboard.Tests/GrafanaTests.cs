using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Conclave.Engine;
using Conclave.Testing;

namespace Conclave.Dashboard.Tests;

public sealed partial class GrafanaTests
{
    [Fact]
    public void Dashboard_file_names_the_metrics_of_the_meter_and_all_of_them()
    {
        // Engines of other tests publish their instruments meanwhile, from their own threads.
        ConcurrentDictionary<string, bool> published = [];
        using (MeterListener listener = new())
        {
            listener.InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == InferenceEngine.MeterName)
                {
                    published.TryAdd(InPrometheus(instrument), true);
                }
            };
            listener.Start();
            using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions { Threads = 1 });
            using InferenceEngine engine = new(model, new EngineOptions());
        }

        using JsonDocument file = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "deploy", "grafana", "conclave.json")));
        HashSet<string> named = [.. file.RootElement.GetProperty("panels").EnumerateArray()
            .SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
            .SelectMany(target => MetricName().Matches(target.GetProperty("expr").GetString()!).Select(match => match.Value))];
        Assert.NotEmpty(published);
        Assert.Equal(published.Keys.Order(StringComparer.Ordinal), named.Order(StringComparer.Ordinal));
    }

    private static string InPrometheus(Instrument instrument) => instrument switch
    {
        Counter<long> or ObservableCounter<long> => instrument.Name + "_total",
        Histogram<double> or Histogram<long> => instrument.Name + "_bucket",
        _ => instrument.Name,
    };

    [GeneratedRegex("conclave_[a-z0-9_]+", RegexOptions.None, 1000)]
    private static partial Regex MetricName();
}
