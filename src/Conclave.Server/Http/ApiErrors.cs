using System.Buffers;
using System.Text.Json;
using Conclave.Engine;
using Conclave.Primitives;

namespace Conclave.Server.Http;

/// <summary>What goes wrong with requests, as OpenAI's error objects.</summary>
internal static class ApiErrors
{
    private const int RetryAfterSeconds = 1;
    private static readonly SearchValues<char> FieldCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz_");

    /// <summary>Turns whatever happened into a refusal; null where it is the server's own failure.</summary>
    public static ApiException? Describe(Exception error) => error switch
    {
        ApiException e => e,
        UserErrorException e => ApiException.Invalid(e.Message, FieldOf(e.Message)),
        EngineUnavailableException { Reason: EngineUnavailableReason.Full } e =>
            new ApiException(StatusCodes.Status429TooManyRequests, "rate_limit_error", e.Message, code: "queue_full"),
        EngineUnavailableException { Reason: EngineUnavailableReason.Draining } e =>
            new ApiException(StatusCodes.Status503ServiceUnavailable, "service_unavailable", e.Message, code: "shutting_down"),
        EngineUnavailableException e => new ApiException(StatusCodes.Status500InternalServerError, "server_error", e.Message, code: "engine_failed"),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => new ApiException(
            StatusCodes.Status413PayloadTooLarge, "invalid_request_error", $"the body is larger than {ServerOptions.MostBodyBytes} bytes", code: "body_too_large"),
        BadHttpRequestException e => new ApiException(e.StatusCode, "invalid_request_error", e.Message),
        JsonException e => ApiException.Invalid($"the body is not JSON: {JsonBody.ProblemOf(e)}"),
        _ => null,
    };

    /// <summary>Writes a refusal as the whole response.</summary>
    public static async Task WriteAsync(HttpContext context, ApiException error)
    {
        HttpResponse response = context.Response;
        response.StatusCode = error.Status;
        if (error.Status == StatusCodes.Status429TooManyRequests)
        {
            response.Headers.RetryAfter = RetryAfterSeconds.ToString();
        }
        else if (error.Status == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = "Bearer";
        }

        await JsonResponse.WriteAsync(response, json => Write(json, error));
        await response.BodyWriter.FlushAsync();
    }

    /// <summary>Writes an error object.</summary>
    public static void Write(Utf8JsonWriter json, ApiException error)
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", error.Message);
        json.WriteString("type", error.Type);
        json.WriteString("param", error.Param);
        json.WriteString("code", error.Code);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    // Messages about an option begin with its name: "top_p: 2 is out of range".
    private static string? FieldOf(string message)
    {
        int colon = message.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && message.AsSpan(0, colon).IndexOfAnyExcept(FieldCharacters) < 0 ? message[..colon] : null;
    }
}
