using Conclave.Engine;

namespace Conclave.Server.Http;

/// <summary>Around every request: the key, and an answer to whatever goes wrong.</summary>
internal static class ErrorGuard
{
    /// <summary>Everything that goes wrong ends here, as an error object.</summary>
    public static async Task RunAsync(HttpContext context, ApiKeyGate gate, RequestDelegate next)
    {
        try
        {
            gate.Check(context.Request);
            await next(context);
            if (context.Response is { HasStarted: false, StatusCode: StatusCodes.Status404NotFound or StatusCodes.Status405MethodNotAllowed } response)
            {
                throw Unknown(context.Request, response.StatusCode);
            }
        }
        catch (Exception e) when (e is ClientGoneException || context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be told.
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            ApiException error = ApiErrors.Describe(e)
                ?? new ApiException(StatusCodes.Status500InternalServerError, "server_error", "the server failed; its log has the cause");

            // Steps open no files of their own: this is a rank of a launch that has gone, which the launcher says once. It needs no trace for each request.
            if (error.Status == StatusCodes.Status500InternalServerError && e is not EngineUnavailableException { InnerException: IOException })
            {
                ILogger logger = context.RequestServices.GetRequiredService<ILogger<ConclaveServer>>();
                Log.Failed(logger, context.Request.Method, context.Request.Path, e);
            }

            await ApiErrors.WriteAsync(context, error);
        }
    }

    private static ApiException Unknown(HttpRequest request, int status)
    {
        if (status == StatusCodes.Status405MethodNotAllowed)
        {
            return new ApiException(status, "invalid_request_error", $"{request.Path} does not take {request.Method}", code: "method_not_allowed");
        }

        string[] unsupported = ["/v1/responses", "/v1/embeddings", "/v1/images", "/v1/audio", "/v1/fine_tuning", "/v1/files", "/v1/moderations", "/v1/assistants"];
        string message = unsupported.Any(path => request.Path.StartsWithSegments(path, StringComparison.OrdinalIgnoreCase))
            ? $"{request.Path} is not supported; this server has /v1/chat/completions and /v1/completions"
            : $"there is no {request.Path}; this server has /v1/chat/completions, /v1/completions and /v1/models";
        return new ApiException(status, "invalid_request_error", message, code: "unknown_url");
    }
}
