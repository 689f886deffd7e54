using System.Text.Json.Nodes;

namespace Conclave.Server.Tests;

/// <summary>/v1/completions, and the endpoints that tell of tokens and models.</summary>
public sealed class CompletionTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private const string Path = "/v1/completions";
    private const int End = 1;
    private readonly FableServer _server = fixture.Server;

    [Fact]
    public async Task AnswersAmongManyAreThoseAlone()
    {
        JsonObject[] requests = [.. Enumerable.Range(0, 16).Select(i => Request($"Tale {i}. Once upon a time", 30 + i, seed: i))];
        List<string> alone = [];
        foreach (JsonObject request in requests)
        {
            alone.Add(Texts(await _server.AskAsync(Path, request))[0]);
        }

        JsonNode[] together = await Task.WhenAll(requests.Select(request => _server.AskAsync(Path, request)));
        Assert.Equal(alone, together.Select(answer => Texts(answer)[0]));
        List<JsonNode>[] streams = await Task.WhenAll(requests.Select(request => _server.StreamAsync(Path, (JsonObject)request.DeepClone())));
        Assert.Equal(alone, streams.Select(events => string.Concat(events.Select(one => one["choices"]![0]!["text"]!.GetValue<string>()))));
    }

    [Fact]
    public async Task PromptsMayBeTextsOrTokensAndSeveral()
    {
        JsonNode tokens = await _server.AskAsync("/tokenize", new JsonObject { ["prompt"] = "Once upon a time" });
        JsonObject request = Request("Once upon a time", 12, seed: 9);
        string text = Texts(await _server.AskAsync(Path, request))[0];
        request["prompt"] = tokens["tokens"]!.DeepClone();
        Assert.Equal([text], Texts(await _server.AskAsync(Path, request)));
        request["prompt"] = new JsonArray("Once upon a time", tokens["tokens"]!.DeepClone());
        Assert.Equal([text, text], Texts(await _server.AskAsync(Path, request)));
        request["n"] = 2;
        request["echo"] = true;
        JsonNode answer = await _server.AskAsync(Path, request);
        string[] texts = Texts(answer);
        Assert.Equal([0, 1, 2, 3], answer["choices"]!.AsArray().Select(choice => choice!["index"]!.GetValue<int>()));
        Assert.Equal($"Once upon a time{text}", texts[0]);
        Assert.Equal(texts[0], texts[2]);
        Assert.Equal(texts[1], texts[3]);
        Assert.NotEqual(texts[0], texts[1]);
        Assert.Equal(48, answer["usage"]!["completion_tokens"]!.GetValue<int>());
    }

    [Fact]
    public async Task EchoWithoutAnAnswerScoresThePrompt()
    {
        JsonObject request = Request("Once upon a time", 0, seed: 9);
        request["echo"] = true;
        request["logprobs"] = 1;
        request["ignore_eos"] = false;
        request["logit_bias"] = new JsonObject { [$"{End}"] = 100 };
        JsonNode answer = await _server.AskAsync(Path, request);
        JsonNode choice = answer["choices"]![0]!;
        Assert.Equal(("Once upon a time", "length"), (choice["text"]!.GetValue<string>(), choice["finish_reason"]!.GetValue<string>()));
        Assert.Equal((0, 5), (answer["usage"]!["completion_tokens"]!.GetValue<int>(), answer["usage"]!["total_tokens"]!.GetValue<int>()));
        JsonArray logprobs = choice["logprobs"]!["token_logprobs"]!.AsArray();
        Assert.Equal(5, logprobs.Count);
        Assert.Null(logprobs[0]);
        Assert.All(logprobs.Skip(1), value => Assert.True(value!.GetValue<double>() < 0));
        Assert.Equal(5, choice["logprobs"]!["tokens"]!.AsArray().Count);
        Assert.Equal([0, 0, 4, 9, 11], choice["logprobs"]!["text_offset"]!.AsArray().Select(value => value!.GetValue<int>()));
        request["stream_options"] = new JsonObject { ["include_usage"] = true };
        Assert.Equal(0, (await _server.StreamAsync(Path, request))[^1]["usage"]!["completion_tokens"]!.GetValue<int>());
    }

    /// <summary>Nothing is generated, so the prompt may have what the answer would take of the context.</summary>
    [Fact]
    public async Task APromptThatFillsTheContextIsScored()
    {
        JsonObject request = Request("", 0, seed: 9);
        request["prompt"] = new JsonArray([.. Enumerable.Repeat(5, 1024).Select(token => JsonValue.Create(token))]);
        request["echo"] = true;
        request["logprobs"] = 0;
        request["n"] = 2;
        JsonNode answer = await _server.AskAsync(Path, request);
        Assert.Equal((1024, 0), (answer["usage"]!["prompt_tokens"]!.GetValue<int>(), answer["usage"]!["completion_tokens"]!.GetValue<int>()));
        Assert.All(answer["choices"]!.AsArray(), choice => Assert.Equal(1024, choice!["logprobs"]!["token_logprobs"]!.AsArray().Count));
        Assert.Equal(2, answer["choices"]!.AsArray().Count);
        request["prompt"]!.AsArray().Add(5);
        Assert.Contains("maximum context length is 1024", (await _server.PostAsync(Path, request.ToJsonString())).Body.ToJsonString(), StringComparison.Ordinal);
        request["prompt"]!.AsArray().RemoveAt(0);
        request["max_tokens"] = 1;
        Assert.Contains("maximum context length is 1024", (await _server.PostAsync(Path, request.ToJsonString())).Body.ToJsonString(), StringComparison.Ordinal);
    }

    /// <summary>Also special tokens that are written out in it, as rendered templates have them; token ids are told as the others are.</summary>
    [Fact]
    public async Task TheEchoOfATextIsThatText()
    {
        const string Prompt = "<｜User｜>Hi<｜Assistant｜>";
        JsonObject request = Request(Prompt, 0, seed: 9);
        request["echo"] = true;
        request["logprobs"] = 0;
        foreach (bool skip in (bool[])[true, false])
        {
            request["skip_special_tokens"] = skip;
            JsonNode choice = (await _server.AskAsync(Path, request))["choices"]![0]!;
            Assert.Equal(Prompt, choice["text"]!.GetValue<string>());
            Assert.Equal([0, 0, 8], choice["logprobs"]!["text_offset"]!.AsArray().Take(3).Select(value => value!.GetValue<int>()));
        }

        request["prompt"] = (await _server.AskAsync("/tokenize", new JsonObject { ["prompt"] = Prompt }))["tokens"]!.DeepClone();
        Assert.EndsWith(Prompt, Texts(await _server.AskAsync(Path, request))[0], StringComparison.Ordinal);
        request["skip_special_tokens"] = true;
        Assert.Equal(["Hi"], Texts(await _server.AskAsync(Path, request)));
    }

    /// <summary>Pieces of characters have no text of their own, so none stands for another.</summary>
    [Fact]
    public async Task PiecesOfCharactersAreToldApart()
    {
        JsonObject request = Request("😀 🦊 龘", 1, seed: 9);
        request["echo"] = true;
        request["logprobs"] = 20;
        JsonNode logprobs = (await _server.AskAsync(Path, request))["choices"]![0]!["logprobs"]!;
        Assert.Contains(logprobs["tokens"]!.AsArray(), token => token!.GetValue<string>().StartsWith(@"bytes:\x", StringComparison.Ordinal));
        Assert.All(logprobs["top_logprobs"]!.AsArray().Skip(1), top => Assert.InRange(top!.AsObject().Count, 20, 21));
        Assert.All(logprobs["tokens"]!.AsArray().Skip(1).Zip(logprobs["top_logprobs"]!.AsArray().Skip(1)), pair => Assert.True(pair.Second!.AsObject().ContainsKey(pair.First!.GetValue<string>())));
    }

    [Fact]
    public async Task WithoutAlternativesTheTokenItselfIsTheOneOfTopLogprobs()
    {
        JsonObject request = Request("Once upon", 4, seed: 9);
        request["echo"] = true;
        request["logprobs"] = 0;
        JsonNode logprobs = (await _server.AskAsync(Path, request))["choices"]![0]!["logprobs"]!;
        JsonArray top = logprobs["top_logprobs"]!.AsArray();
        Assert.Null(top[0]);
        for (int i = 1; i < top.Count; i++)
        {
            KeyValuePair<string, JsonNode?> one = Assert.Single(top[i]!.AsObject());
            Assert.Equal(logprobs["tokens"]![i]!.GetValue<string>(), one.Key);
            Assert.Equal(logprobs["token_logprobs"]![i]!.GetValue<double>(), one.Value!.GetValue<double>());
        }
    }

    [Fact]
    public async Task OffsetsPointIntoTheText()
    {
        JsonObject request = Request("Once upon a 😀 time 日本", 12, seed: 9);
        request["echo"] = true;
        request["logprobs"] = 0;
        foreach (bool skip in (bool[])[true, false])
        {
            request["skip_special_tokens"] = skip;
            JsonNode choice = (await _server.AskAsync(Path, request))["choices"]![0]!;
            string text = choice["text"]!.GetValue<string>();
            string[] tokens = [.. choice["logprobs"]!["tokens"]!.AsArray().Select(token => token!.GetValue<string>())];

            // They count code points.
            int[] units = [.. text.EnumerateRunes().Aggregate((List<int>)[0], (starts, rune) => [.. starts, starts[^1] + rune.Utf16SequenceLength])];
            int[] offsets = [.. choice["logprobs"]!["text_offset"]!.AsArray().Select(value => units[value!.GetValue<int>()])];

            // The token of the beginning is not part of the text: the client has not sent it.
            Assert.StartsWith("Once upon a 😀 time 日本", text, StringComparison.Ordinal);
            Assert.Equal(0, offsets[1]);
            for (int i = 1; i < tokens.Length; i++)
            {
                // Characters of several tokens belong to the last of them.
                Assert.InRange(offsets[i], offsets[i - 1], text.Length);
                Assert.True(tokens[i].StartsWith("bytes:", StringComparison.Ordinal) || string.CompareOrdinal(text, offsets[i], tokens[i], 0, tokens[i].Length) == 0, $"{tokens[i]} at {offsets[i]} of {text}");
            }
        }
    }

    [Fact]
    public async Task TheEndTokenCountsAsGenerated()
    {
        JsonObject request = Request("Once upon a time", 20, seed: 9);
        request["ignore_eos"] = false;
        request["logit_bias"] = new JsonObject { [$"{End}"] = 100 };
        JsonNode answer = await _server.AskAsync(Path, request);
        Assert.Equal("", Texts(answer)[0]);
        Assert.Equal("stop", answer["choices"]![0]!["finish_reason"]!.GetValue<string>());
        Assert.Equal(1, answer["usage"]!["completion_tokens"]!.GetValue<int>());
        request["stream_options"] = new JsonObject { ["include_usage"] = true };
        Assert.Equal(1, (await _server.StreamAsync(Path, request))[^1]["usage"]!["completion_tokens"]!.GetValue<int>());
    }

    /// <summary>As in vLLM: the end token has an entry, and so have tokens whose text a stop string took away.</summary>
    [Theory]
    [InlineData("{}", "length", null)]
    [InlineData("{\"ignore_eos\": false, \"logit_bias\": {\"1\": 100}}", "stop", "<｜end▁of▁sentence｜>")]
    [InlineData("{\"stop_token_ids\": [70], \"logit_bias\": {\"70\": 100}}", "stop", "W")]
    [InlineData("{\"stop\": [\" the\", \"e\"]}", "stop", null)]
    [InlineData("{\"stop\": [\" the\", \"e\"], \"include_stop_str_in_output\": true}", "stop", null)]
    public async Task EveryTokenThatCountsHasLogprobs(string fields, string finish, string? last)
    {
        JsonObject request = Request("Once upon a time", 20, seed: 9);
        request["logprobs"] = 2;
        foreach ((string name, JsonNode? value) in JsonNode.Parse(fields)!.AsObject())
        {
            request[name] = value!.DeepClone();
        }

        JsonNode answer = await _server.AskAsync(Path, request);
        JsonNode choice = answer["choices"]![0]!;
        string[] tokens = Strings(choice);
        Assert.Equal(finish, choice["finish_reason"]!.GetValue<string>());
        Assert.Equal(answer["usage"]!["completion_tokens"]!.GetValue<int>(), tokens.Length);
        Assert.Equal(last ?? tokens[^1], tokens[^1]);
        Assert.All((string[])["token_logprobs", "top_logprobs", "text_offset"], list => Assert.Equal(tokens.Length, choice["logprobs"]![list]!.AsArray().Count));
        request["stream_options"] = new JsonObject { ["include_usage"] = true };
        List<JsonNode> events = await _server.StreamAsync(Path, request);
        Assert.Equal(tokens, events.SkipLast(1).SelectMany(one => Strings(one["choices"]![0]!)));
        Assert.Equal(tokens.Length, events[^1]["usage"]!["completion_tokens"]!.GetValue<int>());

        static string[] Strings(JsonNode choice) => [.. (choice["logprobs"]?["tokens"]?.AsArray() ?? []).Select(token => token!.GetValue<string>())];
    }

    [Fact]
    public async Task EqualSchemasAreCompiledOnce()
    {
        // The server itself prepares one in the background.
        while (_server.Engine.Grammars.Count == 0)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        int count = _server.Engine.Grammars.Count;
        foreach (string schema in (string[])["""{"type":"integer","minimum":7,"maximum":9}""", """{ "type" : "int\u0065ger", "minimum": 7,  "maximum": 9 }"""])
        {
            JsonObject request = Request("Once upon a time", 20, seed: 1);
            request["response_format"] = new JsonObject { ["type"] = "json_schema", ["json_schema"] = new JsonObject { ["name"] = "n", ["schema"] = JsonNode.Parse(schema) } };
            Assert.InRange(int.Parse(Texts(await _server.AskAsync(Path, request))[0], System.Globalization.CultureInfo.InvariantCulture), 7, 9);
            Assert.Equal(count + 1, _server.Engine.Grammars.Count);
        }
    }

    [Theory]
    [InlineData("guided_json", """{"type": "integer", "minimum": 17, "maximum": 19}""")]
    [InlineData("guided_json", """ "{\"type\": \"integer\", \"minimum\": 17, \"maximum\": 19}" """)]
    [InlineData("structured_outputs", """{"json": {"type": "integer", "minimum": 17, "maximum": 19}}""")]
    public async Task ASchemaMayBeSaidAsInVllm(string field, string value)
    {
        JsonObject request = Request("Once upon a time", 20, seed: 1);
        request[field] = JsonNode.Parse(value);
        Assert.InRange(int.Parse(Texts(await _server.AskAsync(Path, request))[0], System.Globalization.CultureInfo.InvariantCulture), 17, 19);
    }

    [Fact]
    public async Task StopStringsAndPenaltiesAndBiasAreObeyed()
    {
        JsonObject request = Request("Once upon a time there was a", 60, seed: 4);
        string text = Texts(await _server.AskAsync(Path, request))[0];
        request["stop"] = text[10..14];
        JsonNode stopped = await _server.AskAsync(Path, request);
        Assert.Equal(text[..text.IndexOf(text[10..14], StringComparison.Ordinal)], Texts(stopped)[0]);
        Assert.Equal("stop", stopped["choices"]![0]!["finish_reason"]!.GetValue<string>());
        request["include_stop_str_in_output"] = true;
        Assert.Equal(text[..(text.IndexOf(text[10..14], StringComparison.Ordinal) + 4)], Texts(await _server.AskAsync(Path, request))[0]);
        int fox = await FoxAsync();
        JsonObject biased = Request("Once upon a time there was a", 3, seed: 4);
        biased["logit_bias"] = new JsonObject { [$"{fox}"] = 100 };
        Assert.Equal(" fox fox fox", Texts(await _server.AskAsync(Path, biased))[0]);
        biased.Remove("logit_bias");
        biased["allowed_token_ids"] = new JsonArray(fox);
        Assert.Equal(" fox fox fox", Texts(await _server.AskAsync(Path, biased))[0]);
        biased["stop_token_ids"] = new JsonArray(fox);
        Assert.Equal("", Texts(await _server.AskAsync(Path, biased))[0]);
        biased["include_stop_str_in_output"] = true;
        Assert.Equal(" fox", Texts(await _server.AskAsync(Path, biased))[0]);
    }

    [Fact]
    public async Task ARepeatedPromptIsCountedAsCached()
    {
        JsonObject request = Request(string.Concat(Enumerable.Repeat("A wholly different tale of a goose. ", 30)), 2, seed: 4);
        await _server.AskAsync(Path, request);
        JsonNode usage = (await _server.AskAsync(Path, request))["usage"]!;
        int prompt = usage["prompt_tokens"]!.GetValue<int>();
        Assert.Equal((prompt - 1) / 64 * 64, usage["prompt_tokens_details"]!["cached_tokens"]!.GetValue<int>());
    }

    [Theory]
    [InlineData(1, "", " time")]
    [InlineData(3, " a time", " upon a time")]
    [InlineData(5, "Once upon a time", "Once upon a time")]
    [InlineData(900, "Once upon a time", "Once upon a time")]
    [InlineData(-1, "Once upon a time", "Once upon a time")]
    public async Task OfALongPromptTheLastTokensAreUsed(int most, string ofText, string ofTokens)
    {
        // Before a text stands the token of the beginning, which stays; token ids are taken as they are.
        JsonNode tokens = await _server.AskAsync("/tokenize", new JsonObject { ["prompt"] = "Once upon a time" });
        JsonObject request = Request("", 2, seed: 1);
        request["prompt"] = new JsonArray("Once upon a time", tokens["tokens"]!.DeepClone());
        request["truncate_prompt_tokens"] = most;
        request["echo"] = true;
        request["logprobs"] = 0;
        JsonNode answer = await _server.AskAsync(Path, request);
        int length = most is 1 or 3 ? most : 5;
        Assert.Equal(2 * length, answer["usage"]!["prompt_tokens"]!.GetValue<int>());
        Assert.Equal([ofText, ofTokens], answer["choices"]!.AsArray().Select(choice =>
            choice!["text"]!.GetValue<string>()[..choice["logprobs"]!["text_offset"]![length]!.GetValue<int>()]));
    }

    [Fact]
    public async Task ATextIsTakenWithoutTheTokenOfTheBeginningWhereThatIsAsked()
    {
        foreach ((bool? special, int length) in ((bool?, int)[])[(null, 5), (true, 5), (false, 4)])
        {
            JsonObject request = Request("Once upon a time", 1, seed: 1);
            request["add_special_tokens"] = special;
            Assert.Equal(length, (await _server.AskAsync(Path, request))["usage"]!["prompt_tokens"]!.GetValue<int>());
        }
    }

    [Fact]
    public async Task APromptMayBeCutToWhatTheContextHolds()
    {
        JsonObject request = Request(string.Concat(Enumerable.Repeat("a fox and ", 600)), 24, seed: 1);
        request["truncate_prompt_tokens"] = -1;
        JsonNode usage = (await _server.AskAsync(Path, request))["usage"]!;
        Assert.Equal((1000, 24), (usage["prompt_tokens"]!.GetValue<int>(), usage["completion_tokens"]!.GetValue<int>()));
        request.Remove("prompt");
        request["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Tell me of a fox that went out to see the whole wide world." });
        request["truncate_prompt_tokens"] = 7;
        usage = (await _server.AskAsync("/v1/chat/completions", request))["usage"]!;
        Assert.Equal(7, usage["prompt_tokens"]!.GetValue<int>());
    }

    [Fact]
    public async Task TokensBecomeTextAgain()
    {
        JsonNode tokens = await _server.AskAsync("/tokenize", new JsonObject { ["prompt"] = "春夜 and a fox", ["add_special_tokens"] = false });
        JsonNode text = await _server.AskAsync("/detokenize", new JsonObject { ["tokens"] = tokens["tokens"]!.DeepClone() });
        Assert.Equal("春夜 and a fox", text["prompt"]!.GetValue<string>());
        Assert.Equal(tokens["tokens"]!.AsArray().Count, tokens["count"]!.GetValue<int>());
    }

    /// <summary>As in vLLM.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public async Task WhoNamesNoModelGetsTheOneThatIsServed(string? model)
    {
        JsonObject request = Request("Once", 2, seed: 1);
        request["model"] = model;
        Assert.Equal("fable", (await _server.AskAsync(Path, request))["model"]!.GetValue<string>());
    }

    [Fact]
    public async Task AModelWithASlashIsFoundHoweverItIsEscaped()
    {
        await using FableServer server = await FableServer.StartAsync(name: "my/fable");
        foreach (string path in (string[])["my/fable", "my%2Ffable", "my%2ffable"])
        {
            Assert.Contains("my/fable", await server.Http.GetStringAsync(new Uri($"/v1/models/{path}", UriKind.Relative), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("/v1/models", "\"id\":\"fable\"")]
    [InlineData("/v1/models/fable", "\"max_model_len\":1024")]
    [InlineData("/health", "ok")]
    [InlineData("/ready", "ok")]
    [InlineData("/version", "\"version\":\"")]
    [InlineData("/metrics", "conclave_num_requests_running")]
    public async Task TheServerTellsOfItself(string path, string expected)
    {
        Assert.Contains(expected, await _server.Http.GetStringAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    private async Task<int> FoxAsync()
    {
        JsonNode tokens = await _server.AskAsync("/tokenize", new JsonObject { ["prompt"] = " fox", ["add_special_tokens"] = false });
        return Assert.Single(tokens["tokens"]!.AsArray())!.GetValue<int>();
    }

    private static string[] Texts(JsonNode answer) => [.. answer["choices"]!.AsArray().Select(choice => choice!["text"]!.GetValue<string>())];

    private static JsonObject Request(string prompt, int maxTokens, int seed) => new()
    {
        ["model"] = "fable", ["prompt"] = prompt, ["max_tokens"] = maxTokens, ["seed"] = seed, ["ignore_eos"] = true,
    };
}
