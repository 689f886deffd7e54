using System.Net;

namespace Conclave.Server.Tests;

/// <summary>Which pages browsers let use the server.</summary>
public sealed class OriginTests
{
    private const string AllowOrigin = "Access-Control-Allow-Origin";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task PagesOfAllowedOriginsAreToldSoBeforeTheKeyIsAskedFor()
    {
        await using FableServer server = await FableServer.StartAsync(origins: ["http://localhost:3000", "https://chat.example"]);
        using HttpClient http = new() { BaseAddress = server.Http.BaseAddress };
        using HttpResponseMessage asked = await http.SendAsync(Ask("https://chat.example"), Stop);
        Assert.Equal(HttpStatusCode.NoContent, asked.StatusCode);
        Assert.Equal("https://chat.example", Assert.Single(asked.Headers.GetValues(AllowOrigin)));
        Assert.Contains("POST", Assert.Single(asked.Headers.GetValues("Access-Control-Allow-Methods")), StringComparison.Ordinal);
        Assert.Equal("authorization,content-type", Assert.Single(asked.Headers.GetValues("Access-Control-Allow-Headers")));
        Assert.False(asked.Headers.Contains("Access-Control-Allow-Credentials"));

        // What is refused must be readable too.
        http.DefaultRequestHeaders.Add("Origin", "http://localhost:3000");
        using HttpResponseMessage refused = await http.GetAsync(new Uri("/v1/models", UriKind.Relative), Stop);
        Assert.Equal((HttpStatusCode.Unauthorized, "http://localhost:3000"), (refused.StatusCode, Assert.Single(refused.Headers.GetValues(AllowOrigin))));
        server.Http.DefaultRequestHeaders.Add("Origin", "http://localhost:3000");
        using HttpResponseMessage answered = await server.Http.GetAsync(new Uri("/v1/models", UriKind.Relative), Stop);
        Assert.Equal((HttpStatusCode.OK, "http://localhost:3000"), (answered.StatusCode, Assert.Single(answered.Headers.GetValues(AllowOrigin))));
    }

    [Theory]
    [InlineData("http://localhost:3000", "http://localhost:3001", null)]
    [InlineData("*", "null", "*")]
    [InlineData(null, "http://localhost:3000", null)]
    public async Task OtherPagesAreNot(string? allowed, string origin, string? told)
    {
        await using FableServer server = await FableServer.StartAsync(origins: allowed is null ? [] : [allowed]);
        foreach (HttpRequestMessage request in (HttpRequestMessage[])[Ask(origin), new(HttpMethod.Get, "/health") { Headers = { { "Origin", origin } } }])
        {
            using HttpResponseMessage response = await server.Http.SendAsync(request, Stop);
            Assert.Equal(told, response.Headers.TryGetValues(AllowOrigin, out IEnumerable<string>? values) ? Assert.Single(values) : null);
        }
    }

    // What browsers ask before a page's request with a key.
    private static HttpRequestMessage Ask(string origin) => new(HttpMethod.Options, "/v1/chat/completions")
    {
        Headers = { { "Origin", origin }, { "Access-Control-Request-Method", "POST" }, { "Access-Control-Request-Headers", "authorization,content-type" } },
    };
}
