using System.Text.Encodings.Web;
using System.Text.Json;

namespace Conclave.Server.Http;

/// <summary>Responses that are one JSON value, written into the response's own buffers.</summary>
internal static class JsonResponse
{
    /// <summary>Text goes out as it is, in UTF-8; what a page shows it must show as text.</summary>
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    public static async Task WriteAsync(HttpResponse response, Action<Utf8JsonWriter> write)
    {
        response.ContentType = "application/json; charset=utf-8";
        await using Utf8JsonWriter json = new(response.BodyWriter, WriterOptions);
        write(json);
    }
}
