using System.Text.Json.Nodes;

namespace Conclave.Server.Tests;

/// <summary>vLLM's stop_reason: which stop string or token of the request ended an answer.</summary>
public sealed class StopReasonTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private readonly FableServer _server = fixture.Server;

    [Theory]
    [InlineData("{}", "length", "null")]
    [InlineData("{\"logit_bias\": {\"1\": 100}}", "stop", "null")]
    [InlineData("{\"stop\": [\"qqq\", \"WW\"], \"logit_bias\": {\"70\": 100}}", "stop", "\"WW\"")]
    [InlineData("{\"stop_token_ids\": [70], \"logit_bias\": {\"70\": 100}}", "stop", "70")]
    public async Task ItIsOfTheChoiceThatEnded(string fields, string finish, string reason)
    {
        foreach (string path in (string[])["/v1/completions", "/v1/chat/completions"])
        {
            JsonObject request = JsonNode.Parse(fields)!.AsObject();
            request["prompt"] = "Once upon a time";
            request["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Once upon a time" });
            request["max_tokens"] = 24;
            request["seed"] = 9;
            Check((await _server.AskAsync(path, request))["choices"]![0]!, finish);
            List<JsonNode> events = await _server.StreamAsync(path, request);
            Check(events[^1]["choices"]![0]!, finish);
            Assert.All(events.SkipLast(1), one => Assert.Null(one["choices"]![0]!["stop_reason"]));
        }

        void Check(JsonNode choice, string word)
        {
            Assert.Equal(word, choice["finish_reason"]!.GetValue<string>());
            Assert.True(choice.AsObject().TryGetPropertyValue("stop_reason", out JsonNode? stop));
            Assert.Equal(reason, stop?.ToJsonString() ?? "null");
        }
    }
}
