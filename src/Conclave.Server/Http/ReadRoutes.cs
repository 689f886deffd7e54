using Microsoft.AspNetCore.Routing;

namespace Conclave.Server.Http;

/// <summary>What is there to be read.</summary>
internal static class ReadRoutes
{
    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Head];

    /// <summary>Maps a path for GET, and for HEAD, to which the server answers without the body.</summary>
    public static void MapRead(this IEndpointRouteBuilder routes, string path, RequestDelegate handle) => routes.MapMethods(path, Methods, handle);
}
