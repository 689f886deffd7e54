using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Conclave.Engine;
using Conclave.Engine.Tests.Requests;
using Conclave.Testing;

namespace Conclave.Server.Tests;

/// <summary>How long streams may take, and what they say while nothing comes.</summary>
public sealed class StreamTimeTests : IDisposable
{
    private static readonly TimeSpan Never = TimeSpan.FromMinutes(1);
    private readonly LoadedModel _model = LoadedModel.Open(Repository.Fable, new LoadOptions { Threads = 1 });
    private readonly HttpClient _http = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _http.Dispose();
        _model.Dispose();
    }

    [Fact]
    public async Task AStreamThatGoesOnMayTakeLongerThanAWholeAnswer()
    {
        ScriptedRunner runner = new(_model.Tokenizer.VocabularySize);
        using InferenceEngine engine = Start(runner, pace: TimeSpan.FromSeconds(0.1));
        await using ConclaveServer server = await StartAsync(engine, timeout: TimeSpan.FromSeconds(1.5), keepAlive: Never);
        await WarmUpAsync(server);
        (HttpStatusCode status, string text) = await ReadAsync(server, tokens: 30, stream: true);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        Assert.Contains("\"finish_reason\":\"length\"", text, StringComparison.Ordinal);
        (status, text) = await ReadAsync(server, tokens: 30, stream: false);
        Assert.Equal((HttpStatusCode.GatewayTimeout, "the answer was not complete after 1.5 s and was cancelled"), (status, JsonNode.Parse(text)!["error"]!["message"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AStreamThatDoesNotBeginIsARefusalUnlessItWasKeptAlive(bool keptAlive)
    {
        ScriptedRunner runner = new(_model.Tokenizer.VocabularySize);
        runner.Gate.Reset();
        using InferenceEngine engine = Start(runner, pace: TimeSpan.Zero);
        await using ConclaveServer server = await StartAsync(engine, timeout: TimeSpan.FromSeconds(1), keepAlive: keptAlive ? TimeSpan.FromSeconds(0.1) : Never);
        (HttpStatusCode status, string text) = await ReadAsync(server, tokens: 3, stream: true);
        runner.Gate.Set();
        const string Error = "\"the answer was not complete after 1 s and was cancelled\"";
        Assert.Contains(Error, text, StringComparison.Ordinal);
        Assert.Equal(keptAlive ? HttpStatusCode.OK : HttpStatusCode.GatewayTimeout, status);
        if (keptAlive)
        {
            Assert.StartsWith(": keep-alive\n\n: keep-alive\n\n", text, StringComparison.Ordinal);
            Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task AStreamThatStandsStillIsCancelled()
    {
        ScriptedRunner runner = new(_model.Tokenizer.VocabularySize);
        using InferenceEngine engine = Start(runner, pace: TimeSpan.FromSeconds(0.05));
        await using ConclaveServer server = await StartAsync(engine, timeout: TimeSpan.FromSeconds(1), keepAlive: Never);
        await WarmUpAsync(server);
        using HttpResponseMessage response = await SendAsync(server, tokens: 200, stream: true);
        using StreamReader reader = new(await response.Content.ReadAsStreamAsync(Stop));
        Assert.StartsWith("data: ", await reader.ReadLineAsync(Stop), StringComparison.Ordinal);
        runner.Gate.Reset();
        string rest = await reader.ReadToEndAsync(Stop);
        runner.Gate.Set();
        Assert.Contains("the answer did not go on for 1 s and was cancelled", rest, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", rest, StringComparison.Ordinal);
    }

    /// <summary>Comments come where nothing else does, and do not count as progress of anything.</summary>
    [Fact]
    public async Task AStreamThatWaitsIsKeptAlive()
    {
        ScriptedRunner runner = new(_model.Tokenizer.VocabularySize);
        runner.Gate.Reset();
        using InferenceEngine engine = Start(runner, pace: TimeSpan.Zero);
        await using ConclaveServer server = await StartAsync(engine, timeout: Never, keepAlive: TimeSpan.FromSeconds(0.1));
        using HttpResponseMessage response = await SendAsync(server, tokens: 3, stream: true);
        Assert.Equal((HttpStatusCode.OK, "text/event-stream"), (response.StatusCode, response.Content.Headers.ContentType!.MediaType));
        using StreamReader reader = new(await response.Content.ReadAsStreamAsync(Stop));
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(": keep-alive", await reader.ReadLineAsync(Stop));
            Assert.Equal("", await reader.ReadLineAsync(Stop));
        }

        runner.Gate.Set();
        string[] events = (await reader.ReadToEndAsync(Stop)).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        string text = string.Concat(events.Where(one => one[0] != ':').SkipLast(1).Select(one => JsonNode.Parse(one["data: ".Length..])!["choices"]![0]!["text"]!.GetValue<string>()));
        Assert.Equal(("WWW", "data: [DONE]"), (text, events[^1]));
    }

    private InferenceEngine Start(ScriptedRunner runner, TimeSpan pace) => new(
        new PacedRunner(runner, pace), _model.Tokenizer, [1], new EngineSizes(CacheBlocks: 8, TokensPerStep: 64, ContextLength: 320), new EngineOptions { MaxRunning = 2 });

    private Task<ConclaveServer> StartAsync(InferenceEngine engine, TimeSpan timeout, TimeSpan keepAlive) => ConclaveServer.StartAsync(
        _model, engine, new ServerOptions { Port = 0, ModelName = "scripted", RequestTimeout = timeout, KeepAliveInterval = keepAlive });

    // A server's first request waits for its code to be compiled. Whether that takes longer than is allowed here is not the question.
    private Task WarmUpAsync(ConclaveServer server) => ReadAsync(server, tokens: 1, stream: true);

    private async Task<(HttpStatusCode Status, string Text)> ReadAsync(ConclaveServer server, int tokens, bool stream)
    {
        using HttpResponseMessage response = await SendAsync(server, tokens, stream);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Stop));
    }

    private async Task<HttpResponseMessage> SendAsync(ConclaveServer server, int tokens, bool stream)
    {
        JsonObject fields = new() { ["prompt"] = new JsonArray(5, 6), ["max_tokens"] = tokens, ["temperature"] = 0, ["stream"] = stream };
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(server.Address, "/v1/completions")) { Content = new StringContent(fields.ToJsonString(), Encoding.UTF8, "application/json") };
        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Stop);
    }
}
