using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Conclave.Server.Tests;

/// <summary>Bodies that are no JSON are refused in sentences that say where; none is of the library that reads them.</summary>
public sealed class MalformedBodyTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("", "the body is not JSON: it is empty; send an object")]
    [InlineData("  ", "the body is not JSON: it goes wrong or ends at byte 3 of line 1; names and strings stand in double quotes")]
    [InlineData("{\"prompt\": \"x\"", "the body is not JSON: it goes wrong or ends at byte 15 of line 1;")]
    [InlineData("{\"prompt\": \"x\",}", "at byte 16 of line 1; names and strings stand in double quotes, there are no comments, no comma stands before a closing bracket")]
    [InlineData("{\"prompt\": \"x\",\n\n \"stop\": ['a']}", "at byte 11 of line 3;")]
    [InlineData("{\"a\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "at byte 70 of line 1; names and strings stand in double quotes, there are no comments, no comma stands before a closing bracket, and at most 64 brackets are open at a time")]
    [InlineData("{\"prompt\": \"x\", \"stop\": \"a\", \"stop\": \"b\"}", "the body is not JSON: an object has a name twice, 'stop'")]
    [InlineData("{\"\\ud800\": 1, \"prompt\": \"x\"}", "the body is not JSON: a name is not valid Unicode: it has half of a surrogate pair, or bytes that are not UTF-8")]
    [InlineData("{\"prompt\": \"x\", \"guided_json\": \"{\\\"type\\\": }\"}", "guided_json: the string is not JSON: it goes wrong or ends at byte 10 of line 1;")]
    [InlineData("{\"prompt\": \"x\", \"guided_json\": \"{\\\"type\\\": 1, \\\"type\\\": 2}\"}", "guided_json: the string is not JSON: an object has a name twice, 'type'")]
    public async Task ItIsSaidWhatIsWrongAndWhere(string body, string message)
    {
        (HttpStatusCode status, JsonNode answer) = await fixture.Server.PostAsync("/v1/completions", body);
        Assert.Equal(HttpStatusCode.BadRequest, status);
        string said = answer["error"]!["message"]!.GetValue<string>();
        Assert.Contains(message, said, StringComparison.Ordinal);
        Assert.DoesNotContain("LineNumber", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gzip", true)]
    [InlineData("br", true)]
    [InlineData("identity", false)]
    public async Task ACompressedBodyIsRefusedByItsHeader(string encoding, bool refused)
    {
        byte[] body = "{\"prompt\": \"x\", \"max_tokens\": 1}"u8.ToArray();
        using MemoryStream compressed = new();
        using (GZipStream gzip = new(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(body);
        }

        using ByteArrayContent content = new(refused ? compressed.ToArray() : body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        content.Headers.ContentEncoding.Add(encoding);
        (HttpStatusCode status, string text) = await PostAsync(content);
        Assert.True(status == (refused ? HttpStatusCode.UnsupportedMediaType : HttpStatusCode.OK), text);
        Assert.Equal(refused, text.Contains($"the body is sent with the header Content-Encoding: {encoding}; send it as it is, without that header", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AnEmptyTypeIsNone()
    {
        using ByteArrayContent content = new(Encoding.UTF8.GetBytes("{}"));
        Assert.True(content.Headers.TryAddWithoutValidation("Content-Type", ""));
        (HttpStatusCode status, string text) = await PostAsync(content);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, status);
        Assert.Contains("the body is sent as nothing that is named; send it with", text, StringComparison.Ordinal);
    }

    private async Task<(HttpStatusCode Status, string Text)> PostAsync(HttpContent content)
    {
        using HttpResponseMessage response = await fixture.Server.Http.PostAsync(new Uri("/v1/completions", UriKind.Relative), content, Stop);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Stop));
    }
}
