using System.Net;
using System.Text.Json.Nodes;
using Conclave.Testing;

namespace Conclave.Server.Tests;

/// <summary>Fields as vLLM and llama.cpp take them.</summary>
public sealed class OtherServersFieldsTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private const string Chat = "/v1/chat/completions";
    private const string Completions = "/v1/completions";
    private readonly FableServer _server = fixture.Server;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    /// <summary>What would change the answer is refused by its name, and what asks for nothing is not.</summary>
    [Theory]
    [InlineData("thinking_token_budget", "100", "null")]
    [InlineData("thinking_token_budget", "0", "-1")]
    [InlineData("logprob_token_ids", "[5]", "[]")]
    [InlineData("repetition_detection", "{\"max_pattern_size\": 3}", "{}")]
    [InlineData("grammar", "\"root ::= 'a'\"", "\"\"")]
    [InlineData("json_schema", "{\"type\": \"object\"}", "{}")]
    [InlineData("mirostat", "2", "0")]
    [InlineData("dry_multiplier", "0.8", "0")]
    [InlineData("xtc_probability", "0.5", "0.0")]
    [InlineData("typical_p", "0.9", "1")]
    [InlineData("typ_p", "0.9", "1.0")]
    [InlineData("prompt_embeds", "\"AAAA\"", "[]")]
    [InlineData("echo", "true", "false")]
    [InlineData("truncation_side", "\"middle\"", "\"left\"")]
    [InlineData("allowed_token_ids", "[]", "null")]
    public async Task AFieldThatCannotBeObeyed(string field, string value, string nothing)
    {
        foreach (string path in field == "echo" ? (string[])[Chat] : [Chat, Completions])
        {
            (HttpStatusCode status, JsonNode answer) = await PostAsync(path, $"\"{field}\": {value}");
            Assert.Equal((HttpStatusCode.BadRequest, field), (status, answer["error"]?["param"]?.GetValue<string>()));
            Assert.Contains(field, answer["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
            (status, answer) = await PostAsync(path, $"\"{field}\": {nothing}");
            Assert.True(status == HttpStatusCode.OK, answer.ToJsonString());
        }
    }

    [Fact]
    public async Task ASeedOfMinusOneIsNone()
    {
        HashSet<string> texts = [];
        for (int i = 0; i < 4; i++)
        {
            texts.Add((await _server.AskAsync(Completions, Fields("\"prompt\": \"Once\", \"max_tokens\": 30, \"seed\": -1")))["choices"]![0]!["text"]!.GetValue<string>());
        }

        Assert.NotEqual(1, texts.Count);
    }

    [Theory]
    [InlineData(1, "", "")]
    [InlineData(3, "Once upon", "Once upon")]
    [InlineData(900, "Once upon a time", "Once upon a time")]
    [InlineData(-1, "Once upon a time", "Once upon a time")]
    public async Task OfALongPromptTheFirstTokensAreUsedWhereThatIsAsked(int most, string ofText, string ofTokens)
    {
        JsonNode tokens = await _server.AskAsync("/tokenize", Fields("\"prompt\": \"Once upon a time\""));
        JsonNode answer = await _server.AskAsync(
            Completions, Fields($"\"prompt\": [\"Once upon a time\", {tokens["tokens"]!.ToJsonString()}], \"max_tokens\": 0, \"echo\": true, \"truncation_side\": \"right\", \"truncate_prompt_tokens\": {most}"));
        Assert.Equal([ofText, ofTokens], answer["choices"]!.AsArray().Select(choice => choice!["text"]!.GetValue<string>()));
        Assert.Equal(2 * (most is 1 or 3 ? most : 5), answer["usage"]!["prompt_tokens"]!.GetValue<int>());
        answer = await _server.AskAsync(
            Chat, Fields("\"messages\": [{\"role\": \"user\", \"content\": \"Once upon a time\"}], \"max_tokens\": 1, \"truncation_side\": \"right\", \"truncate_prompt_tokens\": 3"));
        Assert.Equal(3, answer["usage"]!["prompt_tokens"]!.GetValue<int>());
    }

    [Theory]
    [InlineData(Chat)]
    [InlineData(Completions)]
    public async Task LlamasNameOfTheMostTokens(string path)
    {
        const string Prompt = "\"prompt\": \"x\", \"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"ignore_eos\": true";
        JsonNode answer = await _server.AskAsync(path, Fields($"{Prompt}, \"n_predict\": 3"));
        Assert.Equal(3, answer["usage"]!["completion_tokens"]!.GetValue<int>());

        // OpenAI's own comes first, and -1 is none: not the 16 of completions either.
        answer = await _server.AskAsync(path, Fields($"{Prompt}, \"n_predict\": 3, \"max_tokens\": 2"));
        Assert.Equal(2, answer["usage"]!["completion_tokens"]!.GetValue<int>());
        string stop = string.Join(", ", Enumerable.Range(0, 200));
        answer = await _server.AskAsync(path, Fields($"{Prompt}, \"n_predict\": -1, \"min_tokens\": 40, \"stop_token_ids\": [{stop}]"));
        Assert.InRange(answer["usage"]!["completion_tokens"]!.GetValue<int>(), 41, 1000);
    }

    [Fact]
    public async Task LlamasNameOfTheRepetitionPenalty()
    {
        async Task<string> TextAsync(string field) => (await _server.AskAsync(
            Completions, Fields($"\"prompt\": \"Once\", \"max_tokens\": 60, \"temperature\": 0{field}")))["choices"]![0]!["text"]!.GetValue<string>();

        string penalized = await TextAsync(", \"repetition_penalty\": 3");
        Assert.Equal(penalized, await TextAsync(", \"repeat_penalty\": 3"));
        string plain = await TextAsync(", \"repeat_penalty\": 1");
        Assert.NotEqual(penalized, plain);
        Assert.Equal(plain, await TextAsync(", \"repetition_penalty\": 1, \"repeat_penalty\": 3"));
    }

    [Theory]
    [InlineData("json_object")]
    [InlineData("json_schema")]
    public async Task ASchemaMayStandInResponseFormatItself(string type)
    {
        JsonObject request = Fields($"\"prompt\": \"Once\", \"seed\": 1, \"max_tokens\": 200, \"response_format\": {{\"type\": \"{type}\"}}");
        request["response_format"]!["schema"] = JsonNode.Parse("""{"type": "object", "properties": {"n": {"type": "integer", "minimum": 17, "maximum": 19}}, "required": ["n"], "additionalProperties": false}""");
        JsonNode document = JsonNode.Parse((await _server.AskAsync(Completions, request))["choices"]![0]!["text"]!.GetValue<string>())!;
        Assert.InRange(Assert.Single(document.AsObject()).Value!.GetValue<int>(), 17, 19);
    }

    /// <summary>One that says nothing says an object, as without one.</summary>
    [Fact]
    public async Task AnEmptySchemaOfJsonObjectSaysAnObject()
    {
        JsonObject request = Fields("\"prompt\": \"Once\", \"seed\": 1, \"max_tokens\": 2, \"response_format\": {\"type\": \"json_object\", \"schema\": {}}");
        Assert.StartsWith("{", (await _server.AskAsync(Completions, request))["choices"]![0]!["text"]!.GetValue<string>().TrimStart(), StringComparison.Ordinal);
    }

    /// <summary>Nobody promised to keep one that is not strict.</summary>
    [Theory]
    [InlineData("""{"name": "x", "strict": false, "schema": {"type": "array", "uniqueItems": true, "items": {"type": "string"}}}""", "[")]
    [InlineData("""{"name": "x", "strict": null, "schema": {"minProperties": 1}}""", "{")]
    [InlineData("""{"name": "x", "schema": {"type": "object", "not": {}}}""", "{")]
    [InlineData("""{"name": "x"}""", "{")]
    [InlineData("""{"name": "x", "strict": true, "schema": null}""", "{")]
    public async Task ASchemaOfWhichNoGrammarIsMadeAsksForItsType(string schema, string beginning)
    {
        JsonObject request = Fields($"\"prompt\": \"Once\", \"seed\": 1, \"max_tokens\": 2, \"response_format\": {{\"type\": \"json_schema\", \"json_schema\": {schema}}}");
        Assert.StartsWith(beginning, (await _server.AskAsync(Completions, request))["choices"]![0]!["text"]!.GetValue<string>().TrimStart(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TemplatesKnowReasoningEffortByItsName()
    {
        using TemporaryFolder folder = new();
        foreach (string file in Directory.GetFiles(Repository.Fable))
        {
            File.CreateSymbolicLink(folder.File(Path.GetFileName(file)), file);
        }

        folder.Write("chat_template.jinja", "{{ messages[0].role }}|{{ messages[0].content }}|{{ reasoning_effort }}");
        await using FableServer server = await FableServer.StartAsync(directory: folder.Path);
        foreach ((string message, string fields, string expected) in ((string, string, string)[])[
            ("""{"role": "user", "content": "x"}""", "", "user|x|"),
            ("""{"role": "user", "content": "x"}""", """, "reasoning_effort": "none" """, "user|x|none"),
            ("""{"role": "user", "content": "x"}""", """, "reasoning_effort": "high" """, "user|x|high"),
            ("""{"role": "user", "content": "x"}""", """, "reasoning_effort": "high", "chat_template_kwargs": {"reasoning_effort": "low"}""", "user|x|low"),
            ("""{"role": "developer", "content": "x"}""", "", "system|x|")])
        {
            JsonNode tokens = await server.AskAsync("/tokenize", Fields($"\"messages\": [{message}], \"return_token_strs\": true{fields}"));
            Assert.Equal(expected, string.Concat(tokens["token_strs"]!.AsArray().Select(token => token!.GetValue<string>())));
        }
    }

    [Theory]
    [InlineData("/v1/models/fable")]
    [InlineData("/v1/models/fable/")]
    public async Task AModelHasVllmsFields(string path)
    {
        string text = await _server.Http.GetStringAsync(new Uri(path, UriKind.Relative), Stop);
        Assert.Contains("\"root\":\"fable\",\"parent\":null,\"permission\":[]", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Chat, "\"top_logprobs\": 0", null)]
    [InlineData(Chat, "\"top_logprobs\": 1", "top_logprobs")]
    [InlineData(Completions, "\"stream_options\": {}", null)]
    [InlineData(Completions, "\"stream_options\": null", null)]
    [InlineData(Completions, "\"stream_options\": {\"include_usage\": false}", "stream_options")]
    [InlineData(Completions, "\"stream_options\": []", "stream_options")]
    [InlineData(Completions, "\"n\": 2.0, \"seed\": 1e3, \"top_k\": 0.0", null)]
    [InlineData(Completions, "\"prompt\": [5.0, 7e0]", null)]
    [InlineData(Completions, "\"seed\": 9007199254740993", null)]
    [InlineData(Completions, "\"n\": 1.5", "n")]
    [InlineData(Completions, "\"n\": 1e10", "n")]
    [InlineData(Completions, "\"seed\": 1e30", "seed")]
    [InlineData(Completions, "\"seed\": \"1\"", "seed")]
    public async Task AValueThatAsksForNothingOrIsWrittenOtherwise(string path, string field, string? refused)
    {
        (HttpStatusCode status, JsonNode answer) = await PostAsync(path, field);
        Assert.True(status == (refused is null ? HttpStatusCode.OK : HttpStatusCode.BadRequest), answer.ToJsonString());
        Assert.Equal(refused, answer["error"]?["param"]?.GetValue<string>());
    }

    private Task<(HttpStatusCode Status, JsonNode Body)> PostAsync(string path, string field)
    {
        string prompt = field.StartsWith("\"prompt\"", StringComparison.Ordinal) ? "" : "\"prompt\": \"x\", ";
        return _server.PostAsync(path, $"{{{prompt}\"messages\": [{{\"role\": \"user\", \"content\": \"x\"}}], \"max_tokens\": 1.0, {field}}}");
    }

    private static JsonObject Fields(string fields) => JsonNode.Parse($"{{{fields}}}")!.AsObject();
}
