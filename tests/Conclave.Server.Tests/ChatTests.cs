using System.Text.Json.Nodes;
using Conclave.Testing;

namespace Conclave.Server.Tests;

/// <summary>/v1/chat/completions.</summary>
public sealed class ChatTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private const string Path = "/v1/chat/completions";
    private readonly FableServer _server = fixture.Server;

    [Fact]
    public async Task ReasoningIsApartFromContentAndStreamedAlike()
    {
        JsonObject request = Request("Tell me a story about a fox.", 200, seed: 3);
        JsonNode answer = await _server.AskAsync(Path, request);
        JsonNode message = answer["choices"]![0]!["message"]!;
        string reasoning = message["reasoning_content"]!.GetValue<string>();
        string content = message["content"]!.GetValue<string>();
        Assert.StartsWith("A tale with", reasoning, StringComparison.Ordinal);
        Assert.DoesNotContain("think>", reasoning, StringComparison.Ordinal);
        Assert.False(content.StartsWith("<think>", StringComparison.Ordinal));
        Assert.Equal("chat.completion", answer["object"]!.GetValue<string>());

        request["stream_options"] = new JsonObject { ["include_usage"] = true };
        List<JsonNode> events = await _server.StreamAsync(Path, request);
        JsonNode[] deltas = [.. events.SkipLast(1).Select(one => one["choices"]![0]!["delta"]!)];
        Assert.Equal("assistant", deltas[0]["role"]!.GetValue<string>());
        Assert.Equal(reasoning, string.Concat(deltas.Select(delta => delta["reasoning_content"]?.GetValue<string>())));
        Assert.Equal(content, string.Concat(deltas.Select(delta => delta["content"]?.GetValue<string>())));
        Assert.Equal(Finish(answer), events[^2]["choices"]![0]!["finish_reason"]!.GetValue<string>());
        Assert.True(events.Count > 100);
        JsonNode usage = events[^1]["usage"]!;
        Assert.Empty(events[^1]["choices"]!.AsArray());
        Assert.Equal(answer["usage"]!["completion_tokens"]!.GetValue<int>(), usage["completion_tokens"]!.GetValue<int>());
        Assert.Equal(answer["usage"]!["prompt_tokens"]!.GetValue<int>(), usage["prompt_tokens"]!.GetValue<int>());
        Assert.All(events.SkipLast(1), one => Assert.True(one.AsObject().TryGetPropertyValue("usage", out JsonNode? none) && none is null));

        request["include_reasoning"] = false;
        request.Remove("stream_options");
        events = await _server.StreamAsync(Path, request);
        Assert.All(events, one => Assert.False(one.AsObject().ContainsKey("usage")));
        deltas = [.. events.Select(one => one["choices"]![0]!["delta"]!)];
        Assert.All(deltas, delta => Assert.Null(delta["reasoning_content"]));
        Assert.Equal(content, string.Concat(deltas.Select(delta => delta["content"]?.GetValue<string>())));
        request["stream"] = false;
        JsonNode without = (await _server.AskAsync(Path, request))["choices"]![0]!["message"]!;
        Assert.Null(without["reasoning_content"]);
        Assert.Equal(content, without["content"]!.GetValue<string>());
    }

    /// <summary>It says what Reasoning.Effort says to the client of Microsoft.Extensions.AI; the template's own variables have the last word.</summary>
    [Fact]
    public async Task ReasoningEffortTellsTemplatesWhetherToThink()
    {
        using TemporaryFolder folder = new();
        foreach (string file in Directory.GetFiles(Repository.Fable))
        {
            File.CreateSymbolicLink(folder.File(System.IO.Path.GetFileName(file)), file);
        }

        folder.Write("chat_template.jinja", "{{ messages[0].content }}|{{ thinking }}|{{ enable_thinking }}");
        await using FableServer server = await FableServer.StartAsync(directory: folder.Path);
        foreach ((string fields, string expected) in ((string, string)[])[
            ("", "x||"), (""", "reasoning_effort": null""", "x||"), (""", "reasoning_effort": "none" """, "x|False|False"), (""", "reasoning_effort": "minimal" """, "x|True|True"),
            (""", "reasoning_effort": "high", "chat_template_kwargs": {"thinking": false}""", "x|False|True")])
        {
            JsonNode tokens = await server.AskAsync(
                "/tokenize", JsonNode.Parse($$"""{"messages": [{"role": "user", "content": "x"}], "return_token_strs": true{{fields}}}""")!.AsObject());
            Assert.Equal(expected, string.Concat(tokens["token_strs"]!.AsArray().Select(token => token!.GetValue<string>())));
        }
    }

    [Theory]
    [InlineData("required")]
    [InlineData("named")]
    public async Task AForcedToolIsCalledWithArgumentsThatItsSchemaAllows(string choice)
    {
        JsonObject request = WithTools(Request("How warm is it in Rome?", 400, seed: 1));
        request["tool_choice"] = choice == "named"
            ? new JsonObject { ["type"] = "function", ["function"] = new JsonObject { ["name"] = "get_weather" } }
            : choice;
        request["parallel_tool_calls"] = false;
        JsonNode answer = await _server.AskAsync(Path, request);
        JsonNode message = answer["choices"]![0]!["message"]!;
        JsonNode call = Assert.Single(message["tool_calls"]!.AsArray())!;
        Assert.Equal("tool_calls", Finish(answer));
        Assert.Null(message["content"]);
        Assert.Equal("function", call["type"]!.GetValue<string>());
        Check(call["function"]!["name"]!.GetValue<string>(), call["function"]!["arguments"]!.GetValue<string>(), choice == "named");

        List<JsonNode> events = await _server.StreamAsync(Path, request);
        JsonNode[] pieces = [.. events.SelectMany(one => one["choices"]!.AsArray()).SelectMany(one => one!["delta"]!["tool_calls"]?.AsArray() ?? []).Select(one => one!)];
        Assert.All(pieces, piece => Assert.Equal(0, piece["index"]!.GetValue<int>()));
        Assert.Single(pieces, piece => piece["id"] is not null);
        Assert.True(pieces.Length > 2, "the arguments are streamed");
        Assert.Equal(call["function"]!["arguments"]!.GetValue<string>(), string.Concat(pieces.Select(piece => piece["function"]!["arguments"]!.GetValue<string>())));
        Assert.Equal("tool_calls", events[^1]["choices"]![0]!["finish_reason"]!.GetValue<string>());
    }

    [Fact]
    public async Task ACallAndItsResultGoOnAsAConversation()
    {
        JsonObject request = WithTools(Request("How warm is it in Rome?", 20, seed: 1));
        request["messages"]!.AsArray().Add(JsonNode.Parse(
            """{"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Rome\"}"}}]}"""));
        request["messages"]!.AsArray().Add(JsonNode.Parse("""{"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "31 degrees"}]}"""));
        JsonNode tokens = await _server.AskAsync("/tokenize", new JsonObject { ["messages"] = request["messages"]!.DeepClone(), ["return_token_strs"] = true });
        string prompt = string.Concat(tokens["token_strs"]!.AsArray().Select(token => token!.GetValue<string>()));
        Assert.Contains("get_weather\n```json\n{\"city\": \"Rome\"}\n```", prompt, StringComparison.Ordinal);
        Assert.Contains("31 degrees", prompt, StringComparison.Ordinal);
        JsonNode answer = await _server.AskAsync(Path, request);
        Assert.Equal(tokens["count"]!.GetValue<int>(), answer["usage"]!["prompt_tokens"]!.GetValue<int>());
    }

    [Fact]
    public async Task AJsonSchemaHoldsBehindReasoningToo()
    {
        JsonObject request = Request("Tell me a story about a fox.", 700, seed: 5);
        request["response_format"] = JsonNode.Parse(
            """
            {"type": "json_schema", "json_schema": {"name": "tale", "strict": true, "schema": {"type": "object", "properties": {"title": {"type": "string", "pattern": "^[A-Za-z ]{1,30}$"},
             "foxes": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["title", "foxes"], "additionalProperties": false}}}
            """);
        for (int seed = 0; seed < 4; seed++)
        {
            request["seed"] = seed;
            JsonNode answer = await _server.AskAsync(Path, request);
            Assert.Equal("stop", Finish(answer));
            JsonNode document = JsonNode.Parse(answer["choices"]![0]!["message"]!["content"]!.GetValue<string>())!;
            Assert.InRange(document["foxes"]!.GetValue<int>(), 0, 9);
            Assert.InRange(document["title"]!.GetValue<string>().Length, 0, 30);
            Assert.Equal(2, document.AsObject().Count);
        }
    }

    [Fact]
    public async Task WhereAToolMayBeCalledItMayInsteadOfASchemasAnswer()
    {
        JsonObject request = WithTools(Request("How warm is it in Rome?", 400, seed: 1));
        request["response_format"] = JsonNode.Parse(
            """{"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {"a": {"type": "integer", "maximum": 9, "minimum": 0}}, "required": ["a"], "additionalProperties": false}}}""");

        // No grammar is made of this one, which does not matter as long as nobody requires it.
        request["tools"]!.AsArray().Add(JsonNode.Parse(
            """{"type": "function", "function": {"name": "other", "parameters": {"type": "object", "properties": {"p": {"type": "string", "pattern": "(?=a)b"}}}}}"""));
        Assert.True(_server.Model.Tokenizer.TryGetId("<｜tool▁calls▁begin｜>", out int marker));
        request["logit_bias"] = new JsonObject { [$"{marker}"] = -100 };
        JsonNode answer = await _server.AskAsync(Path, request);
        Assert.InRange(JsonNode.Parse(answer["choices"]![0]!["message"]!["content"]!.GetValue<string>())!["a"]!.GetValue<int>(), 0, 9);

        request["logit_bias"] = new JsonObject { [$"{marker}"] = 100 };
        answer = await _server.AskAsync(Path, request);
        Assert.Equal("tool_calls", Finish(answer));
        foreach (JsonNode? call in answer["choices"]![0]!["message"]!["tool_calls"]!.AsArray())
        {
            string name = call!["function"]!["name"]!.GetValue<string>();
            string arguments = call["function"]!["arguments"]!.GetValue<string>();
            if (name == "other")
            {
                Assert.IsType<JsonObject>(JsonNode.Parse(arguments));
            }
            else
            {
                Check(name, arguments, false);
            }
        }

        request["tool_choice"] = "none";
        answer = await _server.AskAsync(Path, request);
        Assert.Equal("stop", Finish(answer));
    }

    [Fact]
    public async Task AStrictToolIsCalledWithArgumentsThatItsSchemaAllowsAndTextStaysAsItIs()
    {
        Assert.True(_server.Model.Tokenizer.TryGetId("<｜tool▁calls▁begin｜>", out int marker));
        JsonObject request = WithTools(Request("How warm is it in Rome?", 400, seed: 1));
        string free = (await _server.AskAsync(Path, request))["choices"]!.ToJsonString();
        request["tools"]![0]!["function"]!["strict"] = true;
        Assert.Equal(free, (await _server.AskAsync(Path, request))["choices"]!.ToJsonString());

        request["logit_bias"] = new JsonObject { [$"{marker}"] = 100 };
        request["parallel_tool_calls"] = false;
        for (int seed = 0; seed < 4; seed++)
        {
            request["seed"] = seed;
            JsonNode answer = await _server.AskAsync(Path, request);
            Assert.Equal("tool_calls", Finish(answer));
            JsonNode call = Assert.Single(answer["choices"]![0]!["message"]!["tool_calls"]!.AsArray())!["function"]!;
            Check(call["name"]!.GetValue<string>(), call["arguments"]!.GetValue<string>(), false);
        }

        // No grammar is made of this one, which does not matter: it is not strict.
        request["max_tokens"] = 5;
        request["tools"]!.AsArray().Add(JsonNode.Parse(
            """{"type": "function", "function": {"name": "other", "strict": false, "parameters": {"type": "object", "properties": {"p": {"type": "string", "pattern": "(?=a)b"}}}}}"""));
        Assert.Equal("length", Finish(await _server.AskAsync(Path, request)));
    }

    [Fact]
    public async Task LogprobsAreThoseOfTheTokens()
    {
        JsonObject request = Request("Tell me a story about a fox.", 12, seed: 2);
        request["logprobs"] = true;
        request["top_logprobs"] = 3;
        request["temperature"] = 0;
        JsonNode answer = await _server.AskAsync(Path, request);
        JsonArray tokens = answer["choices"]![0]!["logprobs"]!["content"]!.AsArray();
        Assert.Equal(12, tokens.Count);
        foreach (JsonNode? token in tokens)
        {
            JsonArray top = token!["top_logprobs"]!.AsArray();
            Assert.Equal(3, top.Count);
            Assert.Equal(token["token"]!.GetValue<string>(), top[0]!["token"]!.GetValue<string>());
            Assert.Equal(token["logprob"]!.GetValue<double>(), top[0]!["logprob"]!.GetValue<double>());
            Assert.True(top[0]!["logprob"]!.GetValue<double>() >= top[1]!["logprob"]!.GetValue<double>());
            Assert.Equal(token["token"]!.GetValue<string>(), System.Text.Encoding.UTF8.GetString([.. token["bytes"]!.AsArray().Select(one => one!.GetValue<byte>())]));
        }
    }

    [Fact]
    public async Task TheEndTokenHasLogprobsUnderItsOwnName()
    {
        JsonObject request = Request("Tell me a story about a fox.", 12, seed: 2);
        request["logprobs"] = true;
        request["top_logprobs"] = 2;
        request["logit_bias"] = new JsonObject { ["1"] = 100 };
        JsonNode answer = await _server.AskAsync(Path, request);
        Assert.Equal(("stop", 1), (Finish(answer), answer["usage"]!["completion_tokens"]!.GetValue<int>()));
        JsonNode token = Assert.Single(answer["choices"]![0]!["logprobs"]!["content"]!.AsArray())!;
        Assert.Equal("<｜end▁of▁sentence｜>", token["token"]!.GetValue<string>());
        Assert.Equal(2, token["top_logprobs"]!.AsArray().Count);
        List<JsonNode> events = await _server.StreamAsync(Path, request);
        JsonNode[] streamed = [.. events.SelectMany(one => one["choices"]![0]!["logprobs"]?["content"]?.AsArray() ?? []).Select(one => one!)];
        Assert.Equal(token.ToJsonString(), Assert.Single(streamed).ToJsonString());
    }

    private static string Finish(JsonNode answer) => answer["choices"]![0]!["finish_reason"]!.GetValue<string>();

    private static void Check(string name, string arguments, bool named)
    {
        JsonObject values = JsonNode.Parse(arguments)!.AsObject();
        Assert.True(name == "get_weather" || (!named && name == "tell_time"), name);
        if (name == "get_weather")
        {
            Assert.InRange(values["city"]!.GetValue<string>().Length, 0, 12);
            Assert.Contains(values["unit"]!.GetValue<string>(), (string[])["c", "f"]);
        }
    }

    private static JsonObject Request(string message, int maxTokens, int seed) => new()
    {
        ["model"] = "fable",
        ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = message }),
        ["max_tokens"] = maxTokens,
        ["seed"] = seed,
    };

    private static JsonObject WithTools(JsonObject request)
    {
        request["tools"] = JsonNode.Parse(
            """
            [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string", "pattern": "^[A-Z][a-z]{0,11}$"}, "unit": {"enum": ["c", "f"]}},
             "required": ["city", "unit"], "additionalProperties": false}}}, {"type": "function", "function": {"name": "tell_time", "parameters": {"type": "object", "properties": {}}}}]
            """);
        return request;
    }
}
