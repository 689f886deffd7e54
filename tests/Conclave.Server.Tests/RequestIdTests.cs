using System.Text;
using System.Text.Json.Nodes;

namespace Conclave.Server.Tests;

/// <summary>The id that every response has.</summary>
public sealed class RequestIdTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private const string Header = "X-Request-Id";
    private readonly FableServer _server = fixture.Server;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("5f0c8f5e-8c3b-4f6e-9d2a-1b7c3a9e4d21")]
    [InlineData("req_01:a/b+c=.d")]
    public async Task OneThatTheClientSentComesBack(string id)
    {
        Assert.Equal(id, (await AnswerAsync("/v1/completions", "\"max_tokens\": 1", id)).Header);
        Assert.Equal(id, (await AnswerAsync("/v1/completions", "\"max_tokens\": -1", id)).Header);
        Assert.Equal(id, await GetAsync("/health", id));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("two words")]
    [InlineData("<script>")]
    [InlineData("a,b")]
    [InlineData("129")]
    public async Task ElseAnAnswerHasItsOwn(string? id)
    {
        id = id == "129" ? new string('a', 129) : id;
        (string header, string body) = await AnswerAsync("/v1/chat/completions", "\"max_tokens\": 1", id);
        Assert.Equal(JsonNode.Parse(body)!["id"]!.GetValue<string>(), header);
        (header, body) = await AnswerAsync("/v1/completions", "\"max_tokens\": 2, \"stream\": true", id);
        Assert.StartsWith("cmpl-", header, StringComparison.Ordinal);
        Assert.Contains($"\"id\":\"{header}\"", body, StringComparison.Ordinal);
        (header, _) = await AnswerAsync("/v1/completions", "\"max_tokens\": -1", id);
        Assert.StartsWith("req-", header, StringComparison.Ordinal);
        Assert.NotEqual(header, await GetAsync("/nowhere", id));
    }

    private async Task<(string Header, string Body)> AnswerAsync(string path, string fields, string? id)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, path)
        {
            Content = new StringContent($"{{\"model\": \"fable\", \"prompt\": \"x\", \"messages\": [{{\"role\": \"user\", \"content\": \"x\"}}], {fields}}}", Encoding.UTF8, "application/json"),
        };
        return await SendAsync(request, id);
    }

    private async Task<string> GetAsync(string path, string? id)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        return (await SendAsync(request, id)).Header;
    }

    private async Task<(string Header, string Body)> SendAsync(HttpRequestMessage request, string? id)
    {
        if (id is not null)
        {
            request.Headers.TryAddWithoutValidation(Header, id);
        }

        using HttpResponseMessage response = await _server.Http.SendAsync(request, Stop);
        return (Assert.Single(response.Headers.GetValues(Header)), await response.Content.ReadAsStringAsync(Stop));
    }
}
