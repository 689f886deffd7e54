using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Conclave.Server.Tests;

/// <summary>The id of an answer ends with the id that its client sent, in the header before the body.</summary>
public sealed class ResponseIdTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private const string Header = "X-Request-Id";
    private readonly FableServer _server = fixture.Server;

    [Theory]
    [InlineData("header-1", null, "header-1", "header-1")]
    [InlineData(null, "body-1", "body-1", null)]
    [InlineData("header-1", "body-1", "header-1", "header-1")]
    [InlineData("two words", "body-1", "body-1", null)]
    public async Task AnIdThatWasSentIsPartOfIt(string? header, string? body, string end, string? returned)
    {
        foreach ((string path, string prefix) in ((string, string)[])[("/v1/completions", "cmpl"), ("/v1/chat/completions", "chatcmpl")])
        {
            foreach (bool stream in (bool[])[false, true])
            {
                (_, string own, string text) = await SendAsync(path, header, body, stream);
                Assert.Contains($"\"id\":\"{prefix}-{end}\"", text, StringComparison.Ordinal);
                Assert.Equal(returned ?? $"{prefix}-{end}", own);
            }
        }
    }

    [Theory]
    [InlineData("two words")]
    [InlineData("")]
    [InlineData("<script>")]
    public async Task AnIdThatCannotBeOneIsRefused(string body)
    {
        foreach (string? header in (string?[])[null, "header-1"])
        {
            (HttpStatusCode status, _, string text) = await SendAsync("/v1/completions", header, body, stream: false);
            JsonNode error = JsonNode.Parse(text)!["error"]!;
            Assert.Equal((HttpStatusCode.BadRequest, "request_id"), (status, error["param"]!.GetValue<string>()));
            Assert.StartsWith($"request_id: '{body[..Math.Min(body.Length, 128)]}' cannot be an id; 1 to 128 letters", error["message"]!.GetValue<string>(), StringComparison.Ordinal);
        }
    }

    private async Task<(HttpStatusCode Status, string Header, string Body)> SendAsync(string path, string? header, string? body, bool stream)
    {
        JsonObject fields = new()
        {
            ["prompt"] = "x", ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "x" }), ["max_tokens"] = 1, ["stream"] = stream, ["request_id"] = body,
        };
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(fields.ToJsonString(), Encoding.UTF8, "application/json") };
        if (header is not null)
        {
            request.Headers.TryAddWithoutValidation(Header, header);
        }

        using HttpResponseMessage response = await _server.Http.SendAsync(request, TestContext.Current.CancellationToken);
        return (response.StatusCode, Assert.Single(response.Headers.GetValues(Header)), await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }
}
