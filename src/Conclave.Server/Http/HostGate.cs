using System.Net;

namespace Conclave.Server.Http;

/// <summary>
/// For a server that only its own machine can reach, and without a key: lets requests through whose URL had a name of this machine or of an allowed origin. A page of any
/// site can have its own name resolved to 127.0.0.1; then its browser takes the server for the page's own, and no other rule stops it.
/// </summary>
internal sealed class HostGate
{
    private readonly HashSet<string> _hosts;

    private HostGate(IEnumerable<string> origins) => _hosts = origins
        .Select(static origin => Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri) ? uri.IdnHost : origin)
        .ToHashSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>The gate that a server needs; null: none.</summary>
    public static HostGate? For(ServerOptions options) =>
        IPAddress.IsLoopback(options.Host) && options.ApiKey is null && !options.AllowedOrigins.Contains("*") ? new HostGate(options.AllowedOrigins) : null;

    /// <exception cref="ApiException">The request was sent to another name.</exception>
    public void Check(HttpRequest request)
    {
        string host = request.Host.Host;
        if (!IsLocal(host) && !_hosts.Contains(host))
        {
            throw new ApiException(
                StatusCodes.Status403Forbidden, "invalid_request_error",
                $"this server without a key does not answer to the name '{host}'; ask for localhost, start it with --api-key, or with --allowed-origins {request.Scheme}://{request.Host}",
                code: "host_not_allowed");
        }
    }

    // Browsers send a name always; who sends none is no browser.
    private static bool IsLocal(string host) =>
        host.Length == 0
        || host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));
}
