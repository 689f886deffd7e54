using System.IO.Pipelines;
using System.Text.Json;

namespace Conclave.Server.Http;

/// <summary>
/// Server-sent events whose data are JSON, written into the response's own buffers. Events gather until they are flushed.
/// </summary>
internal sealed class EventStream : IDisposable
{
    private readonly HttpResponse _response;
    private readonly PipeWriter _output;
    private readonly Utf8JsonWriter _json;

    public EventStream(HttpResponse response)
    {
        _response = response;
        _output = response.BodyWriter;
        _json = new Utf8JsonWriter(_output, JsonResponse.WriterOptions);
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
    }

    /// <summary>Begins an event; what is written to the result is its data.</summary>
    public Utf8JsonWriter Begin()
    {
        Write("data: "u8);
        _json.Reset();
        return _json;
    }

    public void End()
    {
        _json.Flush();
        Write("\n\n"u8);
    }

    /// <summary>Writes a comment, which readers of events skip.</summary>
    public void KeepAlive() => Write(": keep-alive\n\n"u8);

    public void Done() => Write("data: [DONE]\n\n"u8);

    /// <exception cref="ClientGoneException">Nobody reads the events any more.</exception>
    public async ValueTask FlushAsync(CancellationToken cancellation)
    {
        FlushResult result = await _output.FlushAsync(cancellation);
        if (result.IsCompleted && !cancellation.IsCancellationRequested)
        {
            throw new ClientGoneException();
        }
    }

    public bool HasStarted => _response.HasStarted;

    public void Dispose() => _json.Dispose();

    private void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_output.GetSpan(bytes.Length));
        _output.Advance(bytes.Length);
    }
}
