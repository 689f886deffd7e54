using System.Net;
using System.Text.Json.Nodes;

namespace Conclave.Server.Tests;

/// <summary>Prompts that are far longer than the context: they must not take the time of others, or much of their own.</summary>
public sealed class LongPromptTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private const int Long = 4 << 20;
    private static readonly string Text = string.Concat(Enumerable.Repeat("A fox and a crow sat on a tree. ", Long / 32));
    private readonly FableServer _server = fixture.Server;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/v1/completions", "prompt")]
    [InlineData("/v1/chat/completions", "messages")]
    public async Task ItIsRefusedByItsLengthWithANumberThatIsTrue(string path, string field)
    {
        JsonNode request = Request(path, Text);
        (HttpStatusCode status, JsonNode answer) = await _server.PostAsync(path, request.ToJsonString());
        JsonNode error = answer["error"]!;
        Assert.Equal((HttpStatusCode.BadRequest, field, "context_length_exceeded"), (status, error["param"]!.GetValue<string>(), error["code"]!.GetValue<string>()));
        string message = error["message"]!.GetValue<string>();
        int from = message.IndexOf("at least ", StringComparison.Ordinal) + "at least ".Length;
        int atLeast = int.Parse(message[from..].TakeWhile(char.IsAsciiDigit).ToArray());
        JsonNode counted = await _server.AskAsync("/tokenize", Request("/v1/completions", Text));
        Assert.InRange(atLeast, Long / 32, counted["count"]!.GetValue<int>());
    }

    /// <summary>Who is little too long is told by how much.</summary>
    [Fact]
    public async Task NearTheContextTheNumberIsExact()
    {
        JsonObject request = Request("/v1/completions", string.Concat(Enumerable.Repeat(" fox", 1500)));
        request["add_special_tokens"] = false;
        (HttpStatusCode status, JsonNode answer) = await _server.PostAsync("/v1/completions", request.ToJsonString());
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("the prompt has 1500 and", answer["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/completions")]
    [InlineData("/v1/chat/completions")]
    public async Task OfAllOfItTheEndIsUsedWhereThatIsAsked(string path)
    {
        JsonObject request = Request(path, Text);
        request["truncate_prompt_tokens"] = 20;
        Assert.Equal(20, (await _server.AskAsync(path, request))["usage"]!["prompt_tokens"]!.GetValue<int>());
    }

    /// <summary>The time limit counts while a prompt is encoded, not only from then on.</summary>
    [Theory]
    [InlineData("/v1/completions")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/tokenize")]
    public async Task ItsTimeIsOverBeforeItIsEncoded(string path)
    {
        await using FableServer server = await FableServer.StartAsync(timeout: TimeSpan.FromMilliseconds(1));
        JsonObject request = Request(path, Text);
        request["truncate_prompt_tokens"] = 20;

        // Only who has encoded everything comes to this.
        request["temperature"] = -1;
        (HttpStatusCode status, JsonNode answer) = await server.PostAsync(path, request.ToJsonString());
        Assert.Equal(HttpStatusCode.GatewayTimeout, status);
        Assert.Equal("timeout", answer["error"]!["code"]!.GetValue<string>());
    }

    /// <summary>A body of small numbers can stand for a text that is a hundred times as long.</summary>
    [Fact]
    public async Task TokensWhoseTextIsFarLongerThanTheyAreRefused()
    {
        int longest = Enumerable.Range(16, _server.Model.Tokenizer.VocabularySize - 16).MaxBy(id => _server.Model.Tokenizer.TokenBytes(id).Length);
        int count = (ServerOptions.MostBodyBytes / _server.Model.Tokenizer.TokenBytes(longest).Length) + 1;
        (HttpStatusCode status, JsonNode answer) = await _server.PostAsync("/detokenize", $"{{\"tokens\": [{string.Join(',', Enumerable.Repeat(longest, count))}]}}");
        Assert.Equal((HttpStatusCode.BadRequest, "tokens"), (status, answer["error"]!["param"]!.GetValue<string>()));
        Assert.Contains($"at most {ServerOptions.MostBodyBytes}", answer["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    private static JsonObject Request(string path, string text)
    {
        JsonObject request = new() { ["model"] = "fable", ["max_tokens"] = 1 };
        if (path == "/v1/chat/completions")
        {
            request["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = text });
        }
        else
        {
            request["prompt"] = text;
        }

        return request;
    }
}
