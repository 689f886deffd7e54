using System.Buffers;

namespace Conclave.Server.Http;

/// <summary>
/// The header by which a response, what its client logs and a trace are found to be of one request. It has the client's own id where it sent one, as in vLLM; of an answer
/// the response's id, which ends with the id that the client sent in a header or in the body; else one of its own.
/// </summary>
internal static class RequestId
{
    /// <summary>Name of the header, of requests and responses.</summary>
    public const string Header = "X-Request-Id";

    private const int MostCharacters = 128;
    private static readonly SearchValues<char> Allowed = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/+=");

    /// <summary>Gives the response an id, before anything is known about it.</summary>
    public static void Assign(HttpContext context) => context.Response.Headers[Header] = Given(context) ?? $"req-{Guid.NewGuid():N}";

    /// <summary>Gives the response another id, if the client sent none.</summary>
    public static void Suggest(HttpContext context, string id) => context.Response.Headers[Header] = Given(context) ?? id;

    /// <summary>What the id of an answer ends with: what the client sent, in the header or as request_id, or something new.</summary>
    /// <exception cref="ApiException">The request_id cannot be an id.</exception>
    public static string Of(HttpContext context, JsonBody body)
    {
        string? named = body.String("request_id");
        return named is null || IsId(named)
            ? Given(context) ?? named ?? $"{Guid.NewGuid():N}"
            : throw ApiException.Invalid($"request_id: '{named[..Math.Min(named.Length, MostCharacters)]}' cannot be an id; 1 to {MostCharacters} letters, digits and signs among _ - . : / + = are expected", "request_id");
    }

    // What goes into logs and traces of others: nothing that is long or could be read as something else.
    private static bool IsId(string id) => id.Length is > 0 and <= MostCharacters && !id.AsSpan().ContainsAnyExcept(Allowed);

    private static string? Given(HttpContext context) => context.Request.Headers[Header] is [{ } id] && IsId(id) ? id : null;
}
