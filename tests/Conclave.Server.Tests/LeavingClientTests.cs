using System.IO.Pipelines;
using System.Text;
using Conclave.Engine;
using Conclave.Engine.Tests.Requests;
using Conclave.Server.Api;
using Conclave.Server.Http;
using Conclave.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Conclave.Server.Tests;

/// <summary>Clients that leave in the middle of an answer, which would take half a minute more.</summary>
public sealed class LeavingClientTests : IAsyncLifetime
{
    private const string ModelName = "the slow model";
    private const int MaxTokens = 300;
    private LoadedModel _model = null!;
    private InferenceEngine _engine = null!;
    private ConclaveServer _server = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _model = LoadedModel.Open(Repository.Fable, new LoadOptions { Threads = 1 });
        ScriptedRunner runner = new(_model.Tokenizer.VocabularySize) { StepTime = TimeSpan.FromSeconds(0.1) };
        _engine = new InferenceEngine(
            runner, _model.Tokenizer, [1], new EngineSizes(CacheBlocks: 5, TokensPerStep: 256, ContextLength: 320), new EngineOptions { MaxRunning = 8, ModelName = ModelName });
        _server = await ConclaveServer.StartAsync(_model, _engine, new ServerOptions { Port = 0, ModelName = ModelName });
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _engine.Dispose();
        _model.Dispose();
    }

    [Theory]
    [InlineData("/v1/completions", true)]
    [InlineData("/v1/completions", false)]
    [InlineData("/v1/chat/completions", true)]
    [InlineData("/v1/chat/completions", false)]
    public async Task ADroppedConnectionCancelsTheAnswer(string path, bool stream)
    {
        using HttpClient http = new() { BaseAddress = _server.Address };
        using CancellationTokenSource leave = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(Body(stream), Encoding.UTF8, "application/json") };
        Task<HttpResponseMessage> sent = http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, leave.Token);
        if (stream)
        {
            // The response's stream ends with it, and the connection too, since more would come.
            using HttpResponseMessage response = await sent;
            using StreamReader events = new(await response.Content.ReadAsStreamAsync(Stop));
            Assert.StartsWith("data: {", await events.ReadLineAsync(Stop), StringComparison.Ordinal);
        }
        else
        {
            while (_engine.Status.Running == 0)
            {
                await Task.Delay(5, Stop);
            }

            await leave.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sent);
        }

        await CheckCancelledAsync();
    }

    /// <summary>The connection is found closed while the request's token is not cancelled yet, as happens between two threads of Kestrel: nobody is told, and it is no failure of the server.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ClosedConnectionThatNobodyHasReportedIsNoFailure(bool hasStarted)
    {
        Pipe connection = new();
        await connection.Reader.CompleteAsync();
        ClosedResponse response = new(connection.Writer, hasStarted);
        DefaultHttpContext context = new();
        context.Features.Set<IHttpResponseFeature>(response);
        context.Features.Set<IHttpResponseBodyFeature>(response);
        context.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(Body(stream: true)));
        context.Request.ContentType = "application/json";
        ModelService service = new(_model, _engine, new ServerOptions { ModelName = ModelName });

        await ErrorGuard.RunAsync(context, new ApiKeyGate(null), service.TimeLimit.Around(new CompletionsEndpoint(service).HandleAsync));

        Assert.False(context.RequestAborted.IsCancellationRequested);
        Assert.Equal(1, response.Flushes);
        Assert.Equal(StatusCodes.Status200OK, context.Response.StatusCode);
        await CheckCancelledAsync();
    }

    private static string Body(bool stream) =>
        $$"""{"model": "{{ModelName}}", "prompt": "Once", "messages": [{"role": "user", "content": "x"}], "max_tokens": {{MaxTokens}}, "stream": {{(stream ? "true" : "false")}}}""";

    private async Task CheckCancelledAsync()
    {
        for (int attempt = 0; _engine.Status is not { Running: 0, Waiting: 0, UsedBlocks: 0 }; attempt++)
        {
            Assert.True(attempt < 500, $"the answer goes on: {_engine.Status}");
            await Task.Delay(20, Stop);
        }

        using HttpClient http = new() { BaseAddress = _server.Address };
        ModelSeries metrics = ModelSeries.Parse(await http.GetStringAsync(new Uri("/metrics", UriKind.Relative), Stop), ModelName);
        Assert.Equal(1, metrics.Value("conclave_request_success_total", "abort"));
        Assert.Equal(0, metrics.Value("conclave_request_success_total", "length"));
        Assert.InRange(metrics.Value("conclave_generation_tokens_total"), 1, MaxTokens / 2);
    }

    /// <summary>A response to a connection whose other end has closed it.</summary>
    private sealed class ClosedResponse(PipeWriter output, bool hasStarted) : HttpResponseFeature, IHttpResponseBodyFeature
    {
        private readonly CountingWriter _writer = new(output);

        public int Flushes => _writer.Flushes;

        public override bool HasStarted => hasStarted;

        public Stream Stream => Writer.AsStream();

        public PipeWriter Writer => _writer;

        public Task CompleteAsync() => Task.CompletedTask;

        public void DisableBuffering()
        {
        }

        public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task StartAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;
    }

    private sealed class CountingWriter(PipeWriter inner) : PipeWriter
    {
        public int Flushes { get; private set; }

        public override void Advance(int bytes) => inner.Advance(bytes);

        public override Memory<byte> GetMemory(int sizeHint = 0) => inner.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => inner.GetSpan(sizeHint);

        public override void CancelPendingFlush() => inner.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => inner.Complete(exception);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            Flushes++;
            return inner.FlushAsync(cancellationToken);
        }
    }
}
