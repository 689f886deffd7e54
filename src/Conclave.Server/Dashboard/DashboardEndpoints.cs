using Conclave.Server.Http;
using Microsoft.AspNetCore.Routing;

namespace Conclave.Server.Dashboard;

/// <summary>The dashboard's page and what it polls.</summary>
internal static class DashboardEndpoints
{
    // The page loads nothing from elsewhere, runs no inline script and is shown in no frame.
    private const string ContentSecurityPolicy =
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly (string Path, string Resource, string ContentType)[] Files =
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/dashboard-page/dashboard.css", "dashboard.css", "text/css; charset=utf-8"),
        ("/dashboard-page/dashboard.js", "dashboard.js", "text/javascript; charset=utf-8"),
        ("/dashboard-page/chat.js", "chat.js", "text/javascript; charset=utf-8"),
        ("/dashboard-page/charts.js", "charts.js", "text/javascript; charset=utf-8"),
        ("/dashboard-page/icon.svg", "icon.svg", "image/svg+xml"),
    ];

    /// <summary>
    /// Maps the page at /, its parts below /dashboard-page, open to everybody since they hold nothing that is not in this source, and /dashboard/state,
    /// which is guarded like the API.
    /// </summary>
    /// <param name="routes">Where.</param>
    /// <param name="state">What is shown.</param>
    public static void MapDashboard(this IEndpointRouteBuilder routes, DashboardState state)
    {
        foreach ((string path, string resource, string contentType) in Files)
        {
            byte[] content = Load(resource);
            routes.MapRead(path, context => Write(context, content, contentType));
        }

        routes.MapRead("/dashboard/state", context =>
        {
            context.Response.Headers.CacheControl = "no-store";
            return context.Response.WriteAsJsonAsync(state.Read(), DashboardJson.Default.DashboardSnapshot, cancellationToken: context.RequestAborted);
        });
    }

    private static Task Write(HttpContext context, byte[] content, string contentType)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";

        // Another version of the server may answer at the same address tomorrow.
        headers.CacheControl = "no-cache";
        context.Response.ContentType = contentType;
        context.Response.ContentLength = content.Length;
        return context.Response.Body.WriteAsync(content, context.RequestAborted).AsTask();
    }

    private static byte[] Load(string resource)
    {
        using Stream stream = typeof(DashboardEndpoints).Assembly.GetManifestResourceStream($"dashboard/{resource}")!;
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }
}
