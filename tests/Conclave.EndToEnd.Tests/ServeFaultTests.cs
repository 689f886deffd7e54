using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>A server under twice the load that it takes, from clients of which half misbehave. The long run of the same is bench/Soak.</summary>
[Collection(nameof(UndisturbedTests))]
public sealed class ServeFaultTests(ITestOutputHelper output)
{
    private const string Key = "the key of this test";
    private const int Requests = 10_000;
    private const int Parts = 4;
    private const int Capacity = 16;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EveryAcceptedRequestEndsRightlyAndNothingIsLeftBehind()
    {
        using ServeProcess server = ServeProcess.Start(
            Cli.Program, "--api-key", Key, "--max-running", $"{Capacity * 3 / 4}", "--max-waiting", $"{Capacity / 4}", "--cache-memory", "3MiB", "--prefix-reuse", "strict");
        using FaultTraffic traffic = new(await server.AddressAsync, Key, "fable", bodyLimit: 16 << 20);
        await traffic.LearnAsync(Stop);
        List<long> resident = [];
        for (int part = 0; part < Parts; part++)
        {
            await traffic.RunAsync(2 * Capacity, Requests / Parts, seed: part, Stop);
            resident.Add(server.ResidentBytes);
        }

        foreach ((string outcome, int count) in traffic.Outcomes.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            output.WriteLine($"{count,6} {outcome}");
        }

        foreach ((string kind, int count) in traffic.Answered)
        {
            output.WriteLine($"{count,6} {kind}");
        }

        double preemptions = await traffic.MetricAsync("conclave_num_preemptions_total", Stop);
        output.WriteLine($"{preemptions,6} preemptions");
        output.WriteLine($"resident MB after each part: {string.Join(' ', resident.Select(bytes => bytes >> 20))}");
        Assert.Empty(traffic.Violations);
        int again = Count(traffic, "(refused with 429, asked again)");
        Assert.Equal(Requests, traffic.Outcomes.Values.Sum() - again);
        Assert.True(Count(traffic, "whole answer: as alone") > Requests / 5 && Count(traffic, "streamed answer: as alone") > Requests / 5);
        Assert.True(again > Requests / 100, "the server was hardly ever full");
        Assert.All(traffic.Answered, kind => Assert.True(kind.Value > Requests / 200, $"{kind.Value} times {kind.Key}"));
        Assert.True(preemptions > 0, "no answer ever lost its blocks");
        foreach (string kind in (string[])["connection dropped while streaming: dropped", "cancelled: gave up", "oversized body: 413", "malformed body: 400", "wrong key: 401", "unknown model: 404"])
        {
            Assert.True(Count(traffic, kind) > 0, kind);
        }


        // Code is compiled and pools are filled in the first part; the later ones were 3 MB apart.
        Assert.True(resident[^1] <= resident[1] + (16 << 20), $"memory grew: {string.Join(' ', resident)}");
        await IdleAsync(traffic);
        Assert.Equal(0, await server.StopAsync(Stop));
        Assert.DoesNotContain("fail:", server.Log, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("exception", server.Log, StringComparison.OrdinalIgnoreCase);
    }

    private static int Count(FaultTraffic traffic, string outcome) => traffic.Outcomes.GetValueOrDefault(outcome);

    // Disconnections are noticed a moment later.
    private static async Task IdleAsync(FaultTraffic traffic)
    {
        string[] gauges = ["conclave_num_requests_running", "conclave_num_requests_waiting", "conclave_kv_cache_usage_perc"];
        for (int attempt = 0; ; attempt++)
        {
            double[] values = await Task.WhenAll(gauges.Select(gauge => traffic.MetricAsync(gauge, Stop)));
            if (values.All(value => value == 0))
            {
                return;
            }

            Assert.True(attempt < 100, $"still {string.Join(' ', values)} of {string.Join(' ', gauges)}");
            await Task.Delay(100, Stop);
        }
    }
}
