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

    [Fact]
    public async Task ASchemaMayStandInResponseFormatItself()
    {
        JsonObject request = Fields("\"prompt\": \"Once\", \"seed\": 1, \"max_tokens\": 200, \"response_format\": {\"type\": \"json_object\"}");
        request["response_format"]!["schema"] = JsonNode.Parse("""{"type": "object", "properties": {"n": {"type": "integer", "minimum": 17, "maximum": 19}}, "required": ["n"], "additionalProperties": false}""");
        JsonNode document = JsonNode.Parse((await _server.AskAsync(Completions, request))["choices"]![0]!["text"]!.GetValue<string>())!;
        Assert.InRange(Assert.Single(document.AsObject()).Value!.GetValue<int>(), 17, 19);

        // One that says nothing says an object, as without one.
        request["response_format"]!["schema"] = new JsonObject();
        request["max_tokens"] = 2;
        Assert.StartsWith("{", (await _server.AskAsync(Completions, request))["choices"]![0]!["text"]!.GetValue<string>().TrimStart(), StringComparison.Ordinal);
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
