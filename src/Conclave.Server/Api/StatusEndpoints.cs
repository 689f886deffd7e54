using System.Text.Json;
using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>What the server is and how it does: /v1/models, /health, /ready, /version.</summary>
internal sealed class StatusEndpoints(ModelService service)
{
    public Task ModelsAsync(HttpContext context) => JsonResponse.WriteAsync(context.Response, json =>
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        WriteModel(json);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    public Task ModelAsync(HttpContext context)
    {
        // Of all that a path may have escaped, only slashes are left so; one at the end of the path is not the name's.
        service.CheckModel(((string?)context.Request.RouteValues["id"])?.TrimEnd('/').Replace("%2F", "/", StringComparison.OrdinalIgnoreCase));
        return JsonResponse.WriteAsync(context.Response, WriteModel);
    }

    /// <summary>The process lives and can compute.</summary>
    public Task HealthAsync(HttpContext context) => WriteStateAsync(context, service.Engine.Unavailable != EngineUnavailableReason.Failed);

    /// <summary>It takes requests, now or as soon as others have ended.</summary>
    public Task ReadyAsync(HttpContext context) => WriteStateAsync(context, service.Engine.Unavailable is null or EngineUnavailableReason.Full);

    public static Task VersionAsync(HttpContext context) => JsonResponse.WriteAsync(context.Response, json =>
    {
        json.WriteStartObject();
        json.WriteString("version", typeof(StatusEndpoints).Assembly.GetName().Version!.ToString(3));
        json.WriteEndObject();
    });

    private void WriteModel(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id", service.Options.ModelName);
        json.WriteString("object", "model");
        json.WriteNumber("created", service.Created);
        json.WriteString("owned_by", "conclave");
        json.WriteString("root", service.Options.ModelName);
        json.WriteNull("parent");
        json.WriteStartArray("permission");
        json.WriteEndArray();
        json.WriteNumber("max_model_len", service.Engine.ContextLength);
        json.WriteEndObject();
    }

    private static Task WriteStateAsync(HttpContext context, bool good)
    {
        context.Response.StatusCode = good ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return JsonResponse.WriteAsync(context.Response, json =>
        {
            json.WriteStartObject();
            json.WriteString("status", good ? "ok" : "unavailable");
            json.WriteEndObject();
        });
    }
}
