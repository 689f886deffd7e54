using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Conclave.Engine;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Conclave.Server.Tests;

/// <summary>What a server tells collectors: traces of requests, and the load of experts where that is wanted.</summary>
public sealed class TelemetryTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ACollectorGetsTheTraceOfARequest()
    {
        ConcurrentQueue<(string Path, byte[] Body)> received = [];
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        await using WebApplication collector = builder.Build();
        collector.Run(async context =>
        {
            using MemoryStream body = new();
            await context.Request.Body.CopyToAsync(body, CancellationToken.None);
            received.Enqueue((context.Request.Path, body.ToArray()));
        });
        await collector.StartAsync(Stop);
        string address = collector.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

        const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        const string Caller = "00f067aa0ba902b7";
        const string Poller = "5cf93f3577b34da6a3ce929d0e0e4747";
        const string Chatter = "6da04f3577b34da6a3ce929d0e0e4758";
        string response;
        await using (FableServer server = await FableServer.StartAsync(new EngineOptions { MaxRunning = 4, ModelName = "fable" }, traces: new Uri(address)))
        {
            using HttpRequestMessage request = new(HttpMethod.Post, "/v1/completions")
            {
                Content = new StringContent("""{"model":"fable","prompt":"Once upon a time","max_tokens":5,"temperature":0}""", Encoding.UTF8, "application/json"),
            };
            request.Headers.Add("traceparent", $"00-{Trace}-{Caller}-01");
            response = await IdAsync(server, request);
            using HttpRequestMessage chat = new(HttpMethod.Post, "/v1/chat/completions")
            {
                Content = new StringContent("""{"model":"fable","messages":[{"role":"user","content":"x"}],"max_tokens":2}""", Encoding.UTF8, "application/json"),
            };
            chat.Headers.Add("traceparent", $"00-{Chatter}-{Caller}-01");
            chat.Headers.Add("X-Request-Id", "the-clients-own");
            Assert.Equal("the-clients-own", await IdAsync(server, chat));
            foreach (string path in (string[])["/health", "/metrics", "/dashboard/state", "/"])
            {
                using HttpRequestMessage poll = new(HttpMethod.Get, path);
                poll.Headers.Add("traceparent", $"00-{Poller}-{Caller}-01");
                using HttpResponseMessage answer = await server.Http.SendAsync(poll, Stop);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            }
        }

        // A server that stops hands out what it has not sent yet.
        Assert.All(received, export => Assert.Equal("/v1/traces", export.Path));
        string all = string.Concat(received.Select(static export => Encoding.Latin1.GetString(export.Body)));
        Assert.Contains("text_completion fable", all, StringComparison.Ordinal);
        Assert.Contains("chat fable", all, StringComparison.Ordinal);
        Assert.Contains("POST /v1/completions", all, StringComparison.Ordinal);
        foreach (string expected in (string[])[
            "conclave", "gen_ai.usage.output_tokens", "gen_ai.response.id", response, "http.response.header.x-request-id", "the-clients-own", "http.route", "url.path", "http.response.status_code"])
        {
            Assert.Contains(expected, all, StringComparison.Ordinal);
        }

        // The HTTP request, whose parent is the caller, and the generation within it; nothing of what polls.
        Assert.Equal((2, 2, 0), (Occurrences(all, Trace), Occurrences(all, Chatter), Occurrences(all, Poller)));
        Assert.Equal(2, Occurrences(all, Caller));
    }

    private static async Task<string> IdAsync(FableServer server, HttpRequestMessage request)
    {
        using HttpResponseMessage response = await server.Http.SendAsync(request, Stop);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return Assert.Single(response.Headers.GetValues("X-Request-Id"));
    }

    [Fact]
    public async Task TheLoadOfExpertsIsCountedWhereItIsWanted()
    {
        Uri metrics = new("/metrics", UriKind.Relative);
        await using (FableServer plain = await FableServer.StartAsync())
        {
            Assert.DoesNotContain(InferenceEngine.ExpertTokens, await plain.Http.GetStringAsync(metrics, Stop), StringComparison.Ordinal);
        }

        await using FableServer server = await FableServer.StartAsync(new EngineOptions { MaxRunning = 4, ExpertMetrics = true });
        await server.AskAsync("/v1/completions", new JsonObject { ["model"] = "fable", ["prompt"] = "Once upon a time", ["max_tokens"] = 5 });
        await server.WaitUntilIdleAsync();
        ExpertLoad load = server.Engine.ExpertLoad!;
        Dictionary<(int Layer, int Expert), long> expected = [];
        for (int layer = 0; layer < load.Layers; layer++)
        {
            for (int expert = 0; expert < load.Tokens(layer).Length; expert++)
            {
                expected.Add((layer, expert), load.Tokens(layer)[expert]);
            }
        }

        string text = await server.Http.GetStringAsync(metrics, Stop);
        Dictionary<(int Layer, int Expert), long> actual = text.Split('\n')
            .Where(static line => line.StartsWith("conclave_expert_tokens_total{", StringComparison.Ordinal))
            .ToDictionary(static line => (Label(line, "layer"), Label(line, "expert")), static line => long.Parse(line.Split("} ")[1].Split(' ')[0], CultureInfo.InvariantCulture));
        Assert.Equal(expected, actual);
        Assert.True(actual.Values.Sum() > 0);
    }

    private static int Label(string line, string name) => int.Parse(line.Split($"{name}=\"")[1].Split('"')[0], CultureInfo.InvariantCulture);

    private static int Occurrences(string text, string hex)
    {
        string bytes = Encoding.Latin1.GetString(Convert.FromHexString(hex));
        return text.Split(bytes).Length - 1;
    }
}
