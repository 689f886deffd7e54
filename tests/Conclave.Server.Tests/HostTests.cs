using System.Net;

namespace Conclave.Server.Tests;

/// <summary>Which names a server answers to that only its own machine can reach.</summary>
public sealed class HostTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task WithoutAKeyItAnswersToNamesOfThisMachineAndOfAllowedOrigins()
    {
        await using FableServer server = await FableServer.StartAsync(key: null, origins: ["https://chat.example", "http://other.example:3000"]);
        foreach (string host in (string[])[
            "localhost", "LocalHost:8080", "a.localhost:1", "127.0.0.1", "127.8.9.1:8080", "[::1]:8080", "chat.example", "CHAT.example:8443", "other.example"])
        {
            Assert.Equal(HttpStatusCode.OK, (await AskAsync(server, host, "/v1/models")).Status);
        }

        foreach (string host in (string[])["site.example", "site.example:8080", "127.0.0.1.site.example", "notlocalhost", "localhost.site.example", "192.168.0.1", "0.0.0.0:80", "chat.example.site"])
        {
            foreach (string path in (string[])["/v1/models", "/metrics", "/", "/dashboard/state"])
            {
                (HttpStatusCode status, string text) = await AskAsync(server, host, path);
                Assert.Equal(HttpStatusCode.Forbidden, status);
                Assert.Contains($"--allowed-origins http://{host}", text, StringComparison.Ordinal);
                Assert.Contains("host_not_allowed", text, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [InlineData(FableServer.Key, null)]
    [InlineData(null, "*")]
    public async Task WithAKeyOrForAllOriginsAnyNameWillDo(string? key, string? origin)
    {
        await using FableServer server = await FableServer.StartAsync(key: key, origins: origin is null ? [] : [origin]);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(server, "site.example", "/v1/models")).Status);
    }

    private static async Task<(HttpStatusCode Status, string Text)> AskAsync(FableServer server, string host, string path)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path) { Headers = { Host = host } };
        using HttpResponseMessage response = await server.Http.SendAsync(request, Stop);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Stop));
    }
}
