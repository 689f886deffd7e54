using System.IO.Pipelines;
using System.Text;
using Conclave.Server.Api;
using Conclave.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Conclave.Server.Tests;

/// <summary>Clients that leave in the middle of an answer.</summary>
public sealed class LeavingClientTests(FableFixture fixture) : IClassFixture<FableFixture>
{
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
        context.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes("""{"model": "fable", "prompt": "Once", "max_tokens": 400, "stream": true}"""));
        context.Request.ContentType = "application/json";
        ModelService service = new(fixture.Server.Model, fixture.Server.Engine, new ServerOptions { ModelName = "fable" });

        await ErrorGuard.RunAsync(context, new ApiKeyGate(null), service.TimeLimit.Around(new CompletionsEndpoint(service).HandleAsync));

        Assert.False(context.RequestAborted.IsCancellationRequested);
        Assert.Equal(1, response.Flushes);
        Assert.Equal(StatusCodes.Status200OK, context.Response.StatusCode);
        await fixture.Server.WaitUntilIdleAsync();
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
