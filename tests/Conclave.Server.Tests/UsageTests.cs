using System.Text.Json.Nodes;

namespace Conclave.Server.Tests;

/// <summary>The counts of tokens in answers, and where tokens stand in a text.</summary>
public sealed class UsageTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private const string Chat = "/v1/chat/completions";
    private const string Completions = "/v1/completions";
    private readonly FableServer _server = fixture.Server;

    /// <summary>The tags around reasoning are no part of it.</summary>
    [Fact]
    public async Task TokensOfReasoningAreCounted()
    {
        JsonObject request = Request(200, seed: 3);
        request["logprobs"] = true;
        JsonNode answer = await _server.AskAsync(Chat, request);
        string[] tokens = [.. answer["choices"]![0]!["logprobs"]!["content"]!.AsArray().Select(token => token!["token"]!.GetValue<string>())];
        int expected = Array.IndexOf(tokens, "</think>") - Array.IndexOf(tokens, "<think>") - 1;
        Assert.InRange(expected, 5, tokens.Length - 5);
        Assert.Equal(expected, Reasoning(answer["usage"]!));
        request["stream_options"] = new JsonObject { ["include_usage"] = true };
        request["include_reasoning"] = false;
        Assert.Equal(expected, Reasoning((await _server.StreamAsync(Chat, request))[^1]["usage"]!));

        // Cut off in the middle of it.
        JsonNode cut = await _server.AskAsync(Chat, Request(5, seed: 3));
        Assert.Equal(5 - Array.IndexOf(tokens, "<think>") - 1, Reasoning(cut["usage"]!));
        Assert.Equal(0, Reasoning((await _server.AskAsync(Completions, Request(5, seed: 3)))["usage"]!));
    }

    /// <summary>As in vLLM; the sums come last.</summary>
    [Theory]
    [InlineData(Chat)]
    [InlineData(Completions)]
    public async Task AnEventHasTheCountsOfItsChoice(string path)
    {
        JsonObject request = Request(12, seed: 3);
        request["n"] = 2;
        request["ignore_eos"] = true;
        request["logprobs"] = path == Chat ? true : 0;
        request["stream_options"] = new JsonObject { ["include_usage"] = true, ["continuous_usage_stats"] = true };
        List<JsonNode> events = await _server.StreamAsync(path, request);
        int[] counts = [0, 0];
        int[] reasoning = [0, 0];
        foreach (JsonNode one in events.SkipLast(1))
        {
            JsonNode choice = one["choices"]![0]!;
            int index = choice["index"]!.GetValue<int>();
            counts[index] += choice["logprobs"]![path == Chat ? "content" : "tokens"]!.AsArray().Count;
            Assert.Equal(counts[index], one["usage"]!["completion_tokens"]!.GetValue<int>());
            reasoning[index] = Reasoning(one["usage"]!);
            Assert.Equal(events[^1]["usage"]!["prompt_tokens"]!.GetValue<int>(), one["usage"]!["prompt_tokens"]!.GetValue<int>());
        }

        Assert.Equal([12, 12], counts);
        Assert.Equal((24, reasoning.Sum()), (events[^1]["usage"]!["completion_tokens"]!.GetValue<int>(), Reasoning(events[^1]["usage"]!)));
    }

    [Fact]
    public async Task OffsetsCountCodePoints()
    {
        JsonObject request = Request(0, seed: 1);
        request["prompt"] = "😀😀 Once 😀 upon";
        request["echo"] = true;
        request["logprobs"] = 0;
        JsonNode logprobs = (await _server.AskAsync(Completions, request))["choices"]![0]!["logprobs"]!;
        string[] tokens = [.. logprobs["tokens"]!.AsArray().Select(token => token!.GetValue<string>())];

        // Two characters outside of the basic plane, " Once ", and another.
        Assert.Equal(2 + 6 + 1, logprobs["text_offset"]![Array.IndexOf(tokens, " upon")]!.GetValue<int>());
    }

    [Fact]
    public async Task PartsMayBeTextsOrLackTheirType()
    {
        async Task<string> TokensAsync(string parts) => (await _server.AskAsync(
            "/tokenize", JsonNode.Parse($$"""{"messages": [{"role": "user", "content": [{{parts}}]}]}""")!.AsObject()))["tokens"]!.ToJsonString();

        string expected = await TokensAsync("""{"type": "text", "text": "Once "}, {"type": "text", "text": "upon "}, {"type": "text", "text": "a time"}""");
        Assert.Equal(expected, await TokensAsync(""" "Once ", {"text": "upon "}, {"type": null, "text": "a time"}"""));
    }

    private static int Reasoning(JsonNode usage) => usage["completion_tokens_details"]!["reasoning_tokens"]!.GetValue<int>();

    private static JsonObject Request(int maxTokens, int seed) => new()
    {
        ["prompt"] = "Once",
        ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Tell me a story about a fox." }),
        ["max_tokens"] = maxTokens,
        ["seed"] = seed,
    };
}
