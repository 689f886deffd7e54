using System.Net;
using System.Text.Json.Nodes;

namespace Conclave.Server.Tests;

/// <summary>The fields tool_choice and parallel_tool_calls.</summary>
public sealed class ToolChoiceTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private const string Path = "/v1/chat/completions";
    private readonly FableServer _server = fixture.Server;

    [Theory]
    [InlineData("auto")]
    [InlineData("required")]
    public async Task OneOfTheAllowedToolsIsCalled(string mode)
    {
        Assert.True(_server.Model.Tokenizer.TryGetId("<｜tool▁calls▁begin｜>", out int marker));
        JsonObject request = Request($$$"""
            {"type": "allowed_tools", "allowed_tools": {"mode": "{{{mode}}}", "tools": [{"type": "function", "function": {"name": "b"}}, {"type": "function", "function": {"name": "c"}}]}}
            """);
        request["parallel_tool_calls"] = false;
        request["logit_bias"] = new JsonObject { [$"{marker}"] = mode == "auto" ? 100 : -100 };
        for (int seed = 0; seed < 6; seed++)
        {
            request["seed"] = seed;
            JsonNode message = (await _server.AskAsync(Path, request))["choices"]![0]!["message"]!;
            string name = Assert.Single(message["tool_calls"]!.AsArray())!["function"]!["name"]!.GetValue<string>();
            Assert.True(name is "b" or "c", name);
        }
    }

    /// <summary>As OpenAI has it: "required" asks for one call or more, a name for one.</summary>
    [Fact]
    public async Task ANamedToolIsCalledOnce()
    {
        JsonObject request = Request("""{"type": "function", "function": {"name": "b"}}""");
        request["tools"]![1]!["function"]!["parameters"] = JsonNode.Parse("""{"type": "object", "properties": {"x": {"type": "boolean"}}, "required": ["x"], "additionalProperties": false}""");
        for (int seed = 0; seed < 6; seed++)
        {
            request["seed"] = seed;
            JsonNode choice = (await _server.AskAsync(Path, request))["choices"]![0]!;
            Assert.Equal("tool_calls", choice["finish_reason"]!.GetValue<string>());
            Assert.Equal("b", Assert.Single(choice["message"]!["tool_calls"]!.AsArray())!["function"]!["name"]!.GetValue<string>());
        }
    }

    /// <summary>Whoever reads tool_calls makes the calls; the stop string is the fence that the model's format puts before arguments.</summary>
    [Fact]
    public async Task ACallThatAStopStringHasCutIsNotToBeMade()
    {
        JsonObject request = Request("""{"type": "function", "function": {"name": "b"}}""");
        request["stop"] = "```";
        JsonNode choice = (await _server.AskAsync(Path, request))["choices"]![0]!;
        Assert.Equal(("stop", "```"), (choice["finish_reason"]!.GetValue<string>(), choice["stop_reason"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("""{"type": "allowed_tools"}""", "an object with mode and tools")]
    [InlineData("""{"type": "allowed_tools", "allowed_tools": {"tools": []}}""", "auto or required is expected")]
    [InlineData("""{"type": "allowed_tools", "allowed_tools": {"mode": "any", "tools": []}}""", "'any' is not known")]
    [InlineData("""{"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}""", "at least one")]
    [InlineData("""{"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]}}""", "the name of a function")]
    [InlineData("""{"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "d"}}]}}""", "'d' is not among the tools")]
    [InlineData("""{"type": "function"}""", "tool_choice.function.name: the name of a function")]
    public async Task AChoiceThatCannotBe(string choice, string message)
    {
        (HttpStatusCode status, JsonNode answer) = await _server.PostAsync(Path, Request(choice).ToJsonString());
        Assert.Equal((HttpStatusCode.BadRequest, "tool_choice"), (status, answer["error"]!["param"]!.GetValue<string>()));
        Assert.Contains(message, answer["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    private static JsonObject Request(string choice) => new()
    {
        ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "What time is it?" }),
        ["max_tokens"] = 100,
        ["tools"] = new JsonArray([.. new[] { "a", "b", "c" }.Select(name => new JsonObject { ["type"] = "function", ["function"] = new JsonObject { ["name"] = name } })]),
        ["tool_choice"] = JsonNode.Parse(choice),
    };
}
