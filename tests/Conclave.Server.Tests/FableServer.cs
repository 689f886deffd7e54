using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Conclave.Engine;
using Conclave.Testing;

namespace Conclave.Server.Tests;

/// <summary>A server with fable in this process, and what tests ask it.</summary>
public sealed class FableServer : IAsyncDisposable
{
    public const string Key = "the key of these tests";
    private readonly LoadedModel _model;
    private readonly ConclaveServer _server;

    private FableServer(LoadedModel model, InferenceEngine engine, ConclaveServer server)
    {
        _model = model;
        Engine = engine;
        _server = server;
        Http = new HttpClient { BaseAddress = server.Address, Timeout = TimeSpan.FromMinutes(5) };
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
    }

    public InferenceEngine Engine { get; }

    public LoadedModel Model => _model;

    public HttpClient Http { get; }

    public static async Task<FableServer> StartAsync(
        EngineOptions? engine = null, TimeSpan? timeout = null, Uri? traces = null, IReadOnlyList<string>? origins = null, string? key = Key, string? directory = null, string name = "fable")
    {
        LoadedModel model = LoadedModel.Open(directory ?? Repository.Fable, new LoadOptions { Contexts = 32 });
        InferenceEngine started = new(model, engine ?? new EngineOptions { MaxRunning = 32 });
        ConclaveServer server = await ConclaveServer.StartAsync(
            model, started, new ServerOptions
            {
                Port = 0, ModelName = name, ApiKey = key, RequestTimeout = timeout ?? TimeSpan.FromMinutes(5), TraceEndpoint = traces, AllowedOrigins = origins ?? [],
            });
        return new FableServer(model, started, server);
    }

    /// <summary>Posts JSON and returns the status and the JSON that comes back.</summary>
    public async Task<(HttpStatusCode Status, JsonNode Body)> PostAsync(string path, string body)
    {
        using StringContent content = new(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await Http.PostAsync(new Uri(path, UriKind.Relative), content, TestContext.Current.CancellationToken);
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return (response.StatusCode, JsonNode.Parse(text)!);
    }

    /// <summary>Posts JSON that must be answered.</summary>
    public async Task<JsonNode> AskAsync(string path, JsonObject body)
    {
        (HttpStatusCode status, JsonNode answer) = await PostAsync(path, body.ToJsonString());
        Assert.True(status == HttpStatusCode.OK, $"{(int)status}: {answer.ToJsonString()}");
        return answer;
    }

    /// <summary>Posts JSON whose answer comes as events.</summary>
    public async Task<List<JsonNode>> StreamAsync(string path, JsonObject body)
    {
        body["stream"] = true;
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json") };
        using HttpResponseMessage response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        string[] events = text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.All(events, one => Assert.StartsWith("data: ", one, StringComparison.Ordinal));
        Assert.Equal("data: [DONE]", events[^1]);
        return [.. events[..^1].Select(one => JsonNode.Parse(one["data: ".Length..])!)];
    }

    public async Task WaitUntilIdleAsync()
    {
        for (int attempt = 0; Engine.Status is not { Running: 0, Waiting: 0, UsedBlocks: 0 }; attempt++)
        {
            Assert.True(attempt < 500, $"{Engine.Status}");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _server.DisposeAsync();
        Engine.Dispose();
        _model.Dispose();
    }
}

/// <summary>One server for the tests of a class.</summary>
public sealed class FableFixture : IAsyncLifetime
{
    public FableServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await FableServer.StartAsync();

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
