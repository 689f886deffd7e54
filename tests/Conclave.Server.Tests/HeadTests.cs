using System.Net;

namespace Conclave.Server.Tests;

/// <summary>Who watches a server may ask with HEAD.</summary>
public sealed class HeadTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/")]
    [InlineData("/health")]
    [InlineData("/ready")]
    [InlineData("/version")]
    [InlineData("/metrics")]
    [InlineData("/v1/models")]
    [InlineData("/v1/models/fable")]
    [InlineData("/dashboard-page/chat.js")]
    [InlineData("/dashboard/state")]
    public async Task ItIsAnsweredLikeGetWithoutABody(string path)
    {
        (HttpStatusCode status, string? type, string body) = await AskAsync(HttpMethod.Get, path);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.NotEmpty(body);
        Assert.Equal((HttpStatusCode.OK, type, ""), await AskAsync(HttpMethod.Head, path));
    }

    [Theory]
    [InlineData("/v1/models/gpt-5", HttpStatusCode.NotFound)]
    [InlineData("/v1/completions", HttpStatusCode.MethodNotAllowed)]
    public async Task WhatIsRefusedIsRefused(string path, HttpStatusCode status) =>
        Assert.Equal((status, "application/json", ""), await AskAsync(HttpMethod.Head, path));

    private async Task<(HttpStatusCode Status, string? Type, string Body)> AskAsync(HttpMethod method, string path)
    {
        using HttpRequestMessage request = new(method, path);
        using HttpResponseMessage response = await fixture.Server.Http.SendAsync(request, Stop);
        return (response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsStringAsync(Stop));
    }
}
