using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Measurement.Load;

/// <summary>Sends requests to one server, over as many connections as there are requests at a time; directly, never through a proxy.</summary>
public sealed class LoadClient(LoadTarget target) : IDisposable
{
    private const int ReadBytes = 8 << 10;
    private const int ErrorBytes = 4 << 10;
    private const int ShownCharacters = 200;
    private const int ModelListBytes = 1 << 20;

    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        MaxConnectionsPerServer = int.MaxValue,
    });

    /// <summary>The name of the first model that the server lists.</summary>
    /// <exception cref="LoadException">The server is not there, or has no such list.</exception>
    public async Task<string> FirstModelAsync(CancellationToken cancellation)
    {
        Uri address = new(target.Api, "models");
        using CancellationTokenSource limit = Limit(cancellation);
        try
        {
            using HttpRequestMessage message = new(HttpMethod.Get, address) { Headers = { Authorization = target.Authorization } };
            using HttpResponseMessage response = await _http.SendAsync(message, limit.Token);
            if (!response.IsSuccessStatusCode)
            {
                throw new LoadException($"{address}: status {(int)response.StatusCode}{Tail(await ErrorOfAsync(response, limit.Token))}; say which model to ask");
            }

            byte[] list = await BeginningAsync(response, ModelListBytes, limit.Token);
            return JsonCursor.Parse(address.ToString(), list).Required("data").Items().FirstOrDefault() is { Element.ValueKind: not JsonValueKind.Undefined } first
                ? first.Required("id").String()
                : throw new LoadException($"{address}: the list of models is empty; say which one to ask");
        }
        catch (UserErrorException e)
        {
            throw new LoadException(e.Message);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new LoadException($"{address}: cannot be reached: {Innermost(e)}");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new LoadException($"{address}: no answer within {target.Timeout.TotalSeconds} s");
        }
    }

    /// <summary>Sends a request and reads the answer to its end.</summary>
    /// <param name="body">The request, as <see cref="RequestFormat"/> writes it.</param>
    /// <param name="cancellation">Gives the request up; the connection is closed.</param>
    /// <exception cref="OperationCanceledException">It was given up.</exception>
    public async Task<RequestOutcome> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = Limit(cancellation);
        long sent = Stopwatch.GetTimestamp();
        try
        {
            using ReadOnlyMemoryContent content = new(body);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using HttpRequestMessage message = new(HttpMethod.Post, target.CompletionUri) { Content = content, Headers = { Authorization = target.Authorization } };
            using HttpResponseMessage response = await _http.SendAsync(message, limit.Token);
            if (!response.IsSuccessStatusCode)
            {
                return RequestOutcome.Failed(sent, $"status {(int)response.StatusCode}", await ErrorOfAsync(response, limit.Token));
            }

            return response.Content.Headers.ContentType?.MediaType is "text/event-stream"
                ? await ReadAsync(response, sent, limit.Token)
                : RequestOutcome.Failed(sent, "malformed", $"{response.Content.Headers.ContentType}: text/event-stream is expected");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return RequestOutcome.Failed(sent, "timeout", $"no complete answer within {target.Timeout.TotalSeconds} s");
        }
        catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError)
        {
            return RequestOutcome.Failed(sent, "connect", Innermost(e));
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return RequestOutcome.Failed(sent, "disconnect", Innermost(e));
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            return RequestOutcome.Failed(sent, "malformed", e.Message);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static async Task<RequestOutcome> ReadAsync(HttpResponseMessage response, long sent, CancellationToken cancellation)
    {
        AnswerStream answer = new();
        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellation);
        byte[] buffer = new byte[ReadBytes];
        while (!answer.IsDone)
        {
            int read = await stream.ReadAsync(buffer, cancellation);
            if (read == 0)
            {
                break;
            }

            answer.Take(buffer.AsSpan(0, read), Stopwatch.GetTimestamp());
        }

        return answer.IsComplete ? answer.Outcome(sent)
            : answer.Error is { } error ? RequestOutcome.Failed(sent, "error in the stream", Cut(error))
            : answer.IsDone ? RequestOutcome.Failed(sent, "malformed", "an answer without a choice")
            : RequestOutcome.Failed(sent, "disconnect", "the stream ended before the answer did");
    }

    private CancellationTokenSource Limit(CancellationToken cancellation)
    {
        CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(target.Timeout);
        return limit;
    }

    /// <summary>The message of an OpenAI error object, or the beginning of whatever the body is.</summary>
    private static async Task<string> ErrorOfAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        byte[] body = await BeginningAsync(response, ErrorBytes, cancellation);
        try
        {
            if (AnswerChunk.Read(body).Error is { } error)
            {
                return Cut(error);
            }
        }
        catch (JsonException)
        {
            // Not every server, and no proxy, speaks JSON then.
        }

        return Cut(Encoding.UTF8.GetString(body).Trim());
    }

    private static async Task<byte[]> BeginningAsync(HttpResponseMessage response, int bytes, CancellationToken cancellation)
    {
        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellation);
        byte[] buffer = new byte[bytes];
        int read = await stream.ReadAtLeastAsync(buffer, bytes, throwOnEndOfStream: false, cancellation);
        return buffer[..read];
    }

    private static string Cut(string text) => text.Length <= ShownCharacters ? text : $"{text.AsSpan(0, ShownCharacters)}…";

    private static string Tail(string detail) => detail.Length == 0 ? "" : $", {detail}";

    private static string Innermost(Exception e) => e.GetBaseException().Message;
}
