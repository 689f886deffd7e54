using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Conclave.Engine;
using Conclave.Engine.Tests.Requests;
using Conclave.Server.Api;
using Conclave.Testing;
using CsCheck;

namespace Conclave.Server.Tests;

/// <summary>What is refused, and how.</summary>
public sealed class RefusalTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private readonly FableServer _server = fixture.Server;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("", 400, null, "not JSON")]
    [InlineData("{", 400, null, "not JSON")]
    [InlineData("[1]", 400, null, "an object is expected")]
    [InlineData("{\"model\": 3}", 400, "model", "a string is expected, not 3")]
    [InlineData("{\"model\": \"gpt-5\", \"prompt\": \"x\"}", 404, "model", "'gpt-5' does not exist")]
    [InlineData("{\"model\": \"fable\"}", 400, "prompt", "expected")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"\\ud800\"}", 400, null, "Unicode")]
    [InlineData("{\"model\": \"fable\", \"prompt\": []}", 400, "prompt", "prompt: an empty list; a string, token ids, or a list of these is expected")]
    [InlineData("{\"model\": \"fable\", \"prompt\": [[]]}", 400, "prompt", "prompt[0]: no tokens; at least one is expected")]
    [InlineData("{\"model\": \"fable\", \"prompt\": [[1], []]}", 400, "prompt", "prompt[1]: no tokens")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"\", \"add_special_tokens\": false}", 400, "prompt", "prompt: no tokens")]
    [InlineData("{\"model\": \"fable\", \"prompt\": [1, \"x\"]}", 400, "prompt[1]", "whole number")]
    [InlineData("{\"model\": \"fable\", \"prompt\": [1.5]}", 400, "prompt[0]", "whole number")]
    [InlineData("{\"model\": \"fable\", \"prompt\": [[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1],[1]], \"n\": 32}", 400, "prompt", "34 prompts")]
    [InlineData("{\"model\": \"fable\", \"prompt\": [100000]}", 400, "prompt", "100000")]
    [InlineData("{\"model\": \"fable\", \"prompt\": [100000], \"echo\": true}", 400, "prompt", "100000")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"max_tokens\": 0}", 400, "max_tokens", "at least 1")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"max_tokens\": 99999}", 400, "max_tokens", "maximum context length is 1024")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"n_predict\": 0}", 400, "n_predict", "n_predict: 0 is out of range; at least 1")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"max_tokens\": -1, \"echo\": true}", 400, "max_tokens", "max_tokens: -1 is out of range; at least 0")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"n_predict\": 99999}", 400, "n_predict", "maximum context length is 1024")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"n_predict\": 3, \"min_tokens\": 4}", 400, "min_tokens", "4 is more than n_predict, which is 3")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"max_tokens\": null, \"n_predict\": -1, \"min_tokens\": 1024}", 400, "min_tokens", "1024 is more than fit: the context holds 1024 tokens")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"max_tokens\": 1e10}", 400, "max_tokens", "whole number")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"temperature\": 1e999}", 400, "temperature", "number")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"temperature\": -1}", 400, "temperature", "from 0")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"n\": 33}", 400, "n", "1 to 32")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"logprobs\": 21}", 400, "logprobs", "0 to 20")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"logit_bias\": {\"x\": 1}}", 400, "logit_bias", "not a token id")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"stop\": [\"\"]}", 400, "stop", "length")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"stream\": \"yes\"}", 400, "stream", "true or false")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"stream_options\": {\"include_usage\": true}}", 400, "stream_options", "stream is true")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"truncate_prompt_tokens\": 0}", 400, "truncate_prompt_tokens", "at least 1")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"suffix\": \"y\"}", 400, "suffix", "leave it out")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"guided_json\": \"{\"}", 400, "guided_json", "not JSON")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"guided_json\": \"[\\\"\\\\ud800\\\"]\"}", 400, "guided_json", "Unicode")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"guided_json\": \"{\\\"\\\\ud800\\\": 1}\"}", 400, "guided_json", "not JSON")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"guided_json\": {}, \"structured_outputs\": {\"json_object\": true}}", 400, "response_format", "twice")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"response_format\": {\"type\": \"xml\"}}", 400, "response_format", "'xml'")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"type\": \"banana\"}}}}", 400, "response_format", "banana")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"guided_json\": {\"uniqueItems\": true}}", 400, "response_format", "uniqueItems")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"structured_outputs\": {\"json\": {\"uniqueItems\": true}}}", 400, "response_format", "uniqueItems")]
    public async Task ACompletionThatCannotBe(string body, int status, string? param, string message)
    {
        (HttpStatusCode code, JsonNode answer) = await _server.PostAsync("/v1/completions", body);
        CheckError(status, param, message, code, answer);
    }

    [Theory]
    [InlineData("\"messages\": []", "messages", "at least one")]
    [InlineData("\"messages\": \"hello\"", "messages", "a list")]
    [InlineData("\"messages\": [{\"content\": \"x\"}]", "messages", "role")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]", "messages", "images")]
    [InlineData("\"messages\": [{\"role\": \"wizard\", \"content\": \"x\"}]", "messages", "Unknown role")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tool_choice\": \"required\"", "tool_choice", "no tools")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tools\": [{\"type\": \"function\"}]", "tools", "function")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tools\": [{\"type\": \"function\", \"function\": {}}]", "tools", "a name is expected")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"get weather\"}}]", "tools", "'get weather'")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"strict\": \"yes\"}}]", "tools[0].function.strict", "true or false")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"strict\": true, \"parameters\": {\"type\": \"object\", \"minProperties\": 1}}}]", "tools", "the tool f: the JSON schema: $.minProperties")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tool_choice\": \"required\", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"strict\": true, \"parameters\": {\"type\": \"object\", \"minProperties\": 1}}}]", "tools", "minProperties")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"strict\": true, \"schema\": {\"uniqueItems\": true}}}", "response_format", "uniqueItems")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"uniqueItems\": true, \"items\": 5}}}", "response_format", "$.items: a schema (an object) is expected")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"strict\": \"yes\"}}", "response_format.json_schema.strict", "true or false")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"response_format\": {\"type\": \"json_schema\"}", "response_format", "response_format.json_schema: an object")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"max_completion_tokens\": 0", "max_completion_tokens", "max_completion_tokens: 0 is out of range; at least 1")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"max_completion_tokens\": 99999, \"max_tokens\": 5", "max_completion_tokens", "maximum context length is 1024")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"max_tokens\": 0", "max_tokens", "max_tokens: 0 is out of range; at least 1")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"top_logprobs\": 2", "top_logprobs", "logprobs is true")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"logprobs\": true, \"top_logprobs\": 21", "top_logprobs", "0 to 20")]
    [InlineData("\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"reasoning_effort\": \"enormous\"", "reasoning_effort", "'enormous'")]
    public async Task AChatThatCannotBe(string fields, string? param, string message)
    {
        (HttpStatusCode code, JsonNode answer) = await _server.PostAsync("/v1/chat/completions", $"{{\"model\": \"fable\", {fields}}}");
        CheckError(400, param, message, code, answer);
    }

    /// <summary>A request may hold so much of each, and no more.</summary>
    [Theory]
    [InlineData("stop", RequestLimits.StopStrings)]
    [InlineData("stop_token_ids", RequestLimits.StopTokens)]
    [InlineData("logit_bias", RequestLimits.Biases)]
    [InlineData("prompt", RequestLimits.Prompts)]
    [InlineData("tools", RequestLimits.Tools)]
    [InlineData("messages", RequestLimits.Messages)]
    [InlineData("response_format", 256 << 10)]
    public async Task AsMuchAsIsAllowedAndNoMore(string field, int most)
    {
        bool isChat = field is "tools" or "messages";
        string path = isChat ? "/v1/chat/completions" : "/v1/completions";
        (HttpStatusCode code, JsonNode answer) = await _server.PostAsync(path, Body(most));
        Assert.True(code == HttpStatusCode.OK, answer.ToJsonString());
        (code, answer) = await _server.PostAsync(path, Body(most + 1));
        string message = field switch
        {
            "logit_bias" => $"logit_bias: more than {most} entries",
            "response_format" => $"response_format.json_schema.schema: larger than {most} characters",
            _ => $"{field}: {most + 1} entries; at most {most} are allowed",
        };
        CheckError(400, field, message, code, answer);

        string Body(int count)
        {
            string list(Func<int, string> entry) => string.Join(", ", Enumerable.Range(0, count).Select(entry));
            string given = field switch
            {
                "stop" => $"[{list(i => $"\"no such text {i}\"")}]",
                "stop_token_ids" => $"[{list(i => $"{i}")}]",
                "logit_bias" => $"{{{list(i => $"\"{i}\": 1")}}}",
                "prompt" => $"[{list(i => $"\"{i}\"")}]",
                "tools" => $"[{list(i => $"{{\"type\": \"function\", \"function\": {{\"name\": \"f{i}\"}}}}")}]",
                "messages" => $"[{list(i => $"{{\"role\": \"{(i == 0 ? "user" : "system")}\", \"content\": \"\"}}")}]",
                _ => $"{{\"type\": \"json_schema\", \"json_schema\": {{\"schema\": {Schema(count)}}}}}",
            };
            string other = field == "prompt" ? "" : "\"prompt\": \"x\", ";
            other += field == "messages" ? "" : "\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], ";

            // Messages, even empty ones, may be more than the context holds.
            return $"{{\"model\": \"fable\", \"max_tokens\": 1, \"truncate_prompt_tokens\": 10, {other}\"{field}\": {given}}}";
        }

        static string Schema(int characters)
        {
            const string Begin = "{\"type\": \"object\", \"description\": \"";
            return $"{Begin}{new string('x', characters - Begin.Length - 2)}\"}}";
        }
    }

    /// <summary>A client that waits for leave to send (Expect: 100-continue) gets its answer for certain; others may be cut off while they send.</summary>
    [Theory]
    [InlineData(ServerOptions.MostBodyBytes, 200)]
    [InlineData(ServerOptions.MostBodyBytes + 1, 413)]
    public async Task ABodyIsNoLargerThanIsAllowed(int bytes, int status)
    {
        using SocketsHttpHandler handler = new() { Expect100ContinueTimeout = Timeout.InfiniteTimeSpan };
        using HttpClient http = new(handler) { BaseAddress = _server.Http.BaseAddress };
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent("{\"model\": \"fable\", \"prompt\": \"x\", \"max_tokens\": 1}".PadRight(bytes), Encoding.UTF8, "application/json"),
            Headers = { ExpectContinue = true, Authorization = _server.Http.DefaultRequestHeaders.Authorization },
        };
        using HttpResponseMessage response = await http.SendAsync(request, Stop);
        JsonNode answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(Stop))!;
        if (status == 200)
        {
            Assert.True(response.IsSuccessStatusCode, answer.ToJsonString());
        }
        else
        {
            CheckError(status, null, $"the body is larger than {ServerOptions.MostBodyBytes} bytes", response.StatusCode, answer);
        }
    }

    /// <summary>Clients that speak Latin-1, or write a name twice, made a failure of the server with a stack in its log.</summary>
    [Theory]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"caf\u00e9\"}", "UTF-8")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"caf\u00e9\": 1}", "Unicode")]
    [InlineData("{\"model\": \"fable\", \"prompt\": \"x\", \"\\ud800\": 1}", "Unicode")]
    [InlineData("{\"model\": \"fable\", \"messages\": [{\"role\": \"user\", \"content\": \"caf\u00e9\"}]}", "UTF-8")]
    [InlineData("{\"model\": \"fable\", \"messages\": [{\"role\": \"user\", \"content\": \"x\", \"name\": \"a\", \"name\": \"b\"}]}", "name")]
    [InlineData("{\"model\": \"fable\", \"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"chat_template_kwargs\": {\"a\": 1, \"a\": 2}}", "a")]
    public async Task BytesThatAreNotUtf8AndNamesThatAreThereTwice(string body, string message)
    {
        using ByteArrayContent content = new(Encoding.Latin1.GetBytes(body)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        using HttpResponseMessage response = await _server.Http.PostAsync(
            new Uri(body.Contains("messages", StringComparison.Ordinal) ? "/v1/chat/completions" : "/v1/completions", UriKind.Relative), content, Stop);
        CheckError(400, null, message, response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Stop))!);
    }

    /// <summary>What would change the answer is refused by its name, and what asks for nothing is not.</summary>
    [Theory]
    [InlineData("guided_choice", "[\"a\", \"b\"]", "[]")]
    [InlineData("guided_regex", "\"a+\"", "\"\"")]
    [InlineData("guided_grammar", "\"root ::= 'a'\"", "null")]
    [InlineData("structured_outputs", "{\"regex\": \"a+\"}", "{}")]
    [InlineData("structured_outputs", "{\"choice\": [\"a\"]}", "{\"choice\": null, \"disable_any_whitespace\": true}")]
    [InlineData("structured_outputs", "{\"json_object\": true, \"grammar\": \"a\"}", "{\"json_object\": false}")]
    [InlineData("bad_words", "[\"fox\"]", "[]")]
    [InlineData("prompt_logprobs", "0", "null")]
    [InlineData("use_beam_search", "true", "false")]
    [InlineData("suffix", "\"y\"", "\"\"")]
    [InlineData("continue_final_message", "true", "false")]
    [InlineData("chat_template", "\"{{ messages }}\"", "null")]
    [InlineData("documents", "[{\"text\": \"x\"}]", "[]")]
    [InlineData("return_tokens_as_token_ids", "true", "false")]
    [InlineData("return_token_ids", "true", "false")]
    [InlineData("cache_salt", "\"mine\"", "\"\"")]
    [InlineData("functions", "[{\"name\": \"f\"}]", "[]")]
    [InlineData("function_call", "{\"name\": \"f\"}", "\"auto\"")]
    [InlineData("modalities", "[\"text\", \"audio\"]", "[\"text\"]")]
    [InlineData("web_search_options", "{}", "null")]
    [InlineData("add_special_tokens", "true", "false")]
    public async Task AFieldThatIsNotSupported(string field, string value, string nothing)
    {
        bool chatOnly = field is "continue_final_message" or "chat_template" or "documents" or "functions" or "function_call" or "modalities" or "web_search_options" or "add_special_tokens";
        bool completionsOnly = field is "suffix";
        foreach (string path in (string[])[.. chatOnly ? [] : (string[])["/v1/completions"], .. completionsOnly ? [] : (string[])["/v1/chat/completions"]])
        {
            string Body(string given) =>
                $"{{\"model\": \"fable\", \"prompt\": \"x\", \"messages\": [{{\"role\": \"user\", \"content\": \"x\"}}], \"max_tokens\": 1, \"{field}\": {given}}}";
            (HttpStatusCode code, JsonNode answer) = await _server.PostAsync(path, Body(value));
            CheckError(400, field, "not supported", code, answer);
            (code, answer) = await _server.PostAsync(path, Body(nothing));
            Assert.True(code == HttpStatusCode.OK, answer.ToJsonString());
        }
    }

    /// <summary>A browser sends the first of these for a page of any site, without asking.</summary>
    [Theory]
    [InlineData("text/plain", 415)]
    [InlineData("application/x-www-form-urlencoded", 415)]
    [InlineData("multipart/form-data; boundary=x", 415)]
    [InlineData(null, 415)]
    [InlineData("application/json", 200)]
    [InlineData("application/json; charset=utf-8", 200)]
    [InlineData("Application/JSON", 200)]
    [InlineData("application/vnd.api+json", 200)]
    public async Task ABodyIsSentAsJson(string? type, int status)
    {
        foreach (string path in (string[])["/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize"])
        {
            using ByteArrayContent content = new("""{"model": "fable", "prompt": "x", "messages": [{"role": "user", "content": "x"}], "tokens": [5], "max_tokens": 1}"""u8.ToArray());
            content.Headers.ContentType = type is null ? null : MediaTypeHeaderValue.Parse(type);
            using HttpResponseMessage response = await _server.Http.PostAsync(new Uri(path, UriKind.Relative), content, Stop);
            JsonNode answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(Stop))!;
            if (status == 200)
            {
                Assert.True(response.IsSuccessStatusCode, answer.ToJsonString());
            }
            else
            {
                CheckError(status, null, "Content-Type: application/json", response.StatusCode, answer);
            }
        }
    }

    [Theory]
    [InlineData("GET", "/v1/chat/completions", 405, "/v1/chat/completions does not take GET")]
    [InlineData("POST", "/v1/models", 405, "/v1/models does not take POST")]
    [InlineData("POST", "/v1/responses", 404, "/v1/responses is not supported; this server has /v1/chat/completions and /v1/completions")]
    [InlineData("POST", "/v1/embeddings", 404, "/v1/embeddings is not supported; this server has /v1/chat/completions and /v1/completions")]
    [InlineData("GET", "/nowhere", 404, "there is no /nowhere; this server has /v1/chat/completions, /v1/completions and /v1/models")]
    [InlineData("GET", "/v1/models/gpt-5", 404, "the model 'gpt-5' does not exist here; this server has 'fable'")]
    public async Task APathThatIsNotThere(string method, string path, int status, string message)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), path);
        using HttpResponseMessage response = await _server.Http.SendAsync(request, Stop);
        JsonNode answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(Stop))!;
        CheckError(status, path.EndsWith("gpt-5", StringComparison.Ordinal) ? "model" : null, message, response.StatusCode, answer);
    }

    [Theory]
    [InlineData("/v1/models", null, 401)]
    [InlineData("/v1/models", "Bearer wrong", 401)]
    [InlineData("/v1/models", "Basic abc", 401)]
    [InlineData("/V1/models", null, 401)]
    [InlineData("/dashboard/state", null, 401)]
    [InlineData("/tokenize", null, 401)]
    [InlineData("/", null, 200)]
    [InlineData("/v1/models", $"bearer {FableServer.Key}", 200)]
    [InlineData("/health", null, 200)]
    [InlineData("/ready", null, 200)]
    [InlineData("/metrics", null, 200)]
    public async Task TheKeyIsAskedForWhereItMatters(string path, string? header, int status)
    {
        using HttpClient http = new() { BaseAddress = _server.Http.BaseAddress };
        if (header is not null)
        {
            http.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", header);
        }

        using HttpResponseMessage response = await http.GetAsync(new Uri(path, UriKind.Relative), Stop);
        Assert.Equal(status, (int)response.StatusCode);
        if (status == 401)
        {
            CheckError(status, null, header is null ? "no API key" : "the API key is wrong", response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Stop))!);
            Assert.Equal("Bearer", Assert.Single(response.Headers.WwwAuthenticate).Scheme);
        }
    }

    [Fact]
    public async Task AFullQueueIsSaidWithWhenToTryAgain()
    {
        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions { Threads = 1 });
        ScriptedRunner runner = new(model.Tokenizer.VocabularySize);
        runner.Gate.Reset();
        using InferenceEngine engine = new(
            runner, model.Tokenizer, [1], new EngineSizes(CacheBlocks: 5, TokensPerStep: 256, ContextLength: 320), new EngineOptions { MaxRunning = 1, MaxWaiting = 1 });
        await using ConclaveServer server = await ConclaveServer.StartAsync(model, engine, new ServerOptions { Port = 0, ModelName = "scripted" });
        try
        {
            GenerationRequest request = new() { Prompt = [5], Sampling = new SamplingOptions { MaxTokens = 10 } };
            engine.Submit([request, request]);
            using HttpClient http = new() { BaseAddress = server.Address };
            using StringContent content = new("{\"prompt\": \"x\"}", Encoding.UTF8, "application/json");
            using HttpResponseMessage response = await http.PostAsync(new Uri("/v1/completions", UriKind.Relative), content, Stop);
            CheckError(429, null, "as many requests wait as may wait", response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Stop))!);
            Assert.Equal(TimeSpan.FromSeconds(1), response.Headers.RetryAfter!.Delta);
        }
        finally
        {
            // The engine ends after the step that it is in.
            runner.Gate.Set();
        }
    }

    [Fact]
    public async Task AServerThatDrainsRefuses()
    {
        await using FableServer server = await FableServer.StartAsync();
        await server.Engine.DrainAsync(Stop);
        (HttpStatusCode status, JsonNode answer) = await server.PostAsync("/v1/completions", "{\"model\": \"fable\", \"prompt\": \"x\"}");
        CheckError(503, null, "the engine is shutting down", status, answer);
    }

    [Fact]
    public async Task WhoTakesTooLongIsCancelled()
    {
        await using FableServer server = await FableServer.StartAsync(timeout: TimeSpan.FromSeconds(0.3));
        string body = "{\"model\": \"fable\", \"prompt\": \"x\", \"max_tokens\": 1000, \"ignore_eos\": true, \"n\": 16}";
        (HttpStatusCode status, JsonNode answer) = await server.PostAsync("/v1/completions", body);
        CheckError(504, null, "was cancelled", status, answer);
        await server.WaitUntilIdleAsync();
        Assert.Null(server.Engine.Unavailable);
    }

    [Fact]
    public async Task TheLongestTimeoutIsOne()
    {
        await using FableServer server = await FableServer.StartAsync(timeout: ServerOptions.LongestRequestTimeout);
        await server.AskAsync("/v1/completions", new JsonObject { ["model"] = "fable", ["prompt"] = "x", ["max_tokens"] = 1 });
    }

    [Fact]
    public void WhateverIsSentIsAnsweredWithAnErrorObjectOrAnAnswer()
    {
        string[] words =
        [
            "{", "}", "[", "]", ",", ":", "\"model\"", "\"fable\"", "\"prompt\"", "\"messages\"", "\"x\"", "null", "true", "-1", "1e400", "0.5", "\"n\"", "\"stop\"",
            "\"stream\"", "\"tools\"", "\"logit_bias\"", "\"response_format\"", "\"type\"", "\"role\"", "\"content\"", "\"\\ud800\"", "\"max_tokens\"", " ",
        ];
        Gen<string> noise = Pick(words).Array[0, 24].Select(string.Concat);
        Gen<string> fields = Gen.Select(Pick([.. words.Where(word => word[0] == '"')]), Pick("3", "-1", "\"x\"", "{}", "[]", "[[1]]", "[{}]", "true", "null", "1e9", "\"\""))
            .Array[0, 6].Select(pairs => $"{{\"model\": \"fable\", \"max_tokens\": 1{string.Concat(pairs.Select(pair => $", {pair.Item1}: {pair.Item2}"))}}}");
        Gen.Select(Gen.OneOf(noise, fields), Pick("/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize")).Sample(
            (body, path) =>
            {
                using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
                using HttpResponseMessage response = _server.Http.Send(request, Stop);
                if (response.StatusCode != HttpStatusCode.OK)
                {
                    using StreamReader reader = new(response.Content.ReadAsStream(Stop));
                    JsonNode error = JsonNode.Parse(reader.ReadToEnd())!["error"]!;
                    Assert.True(response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.NotFound, $"{path} {body}: {response.StatusCode} {error}");
                    Assert.NotEmpty(error["message"]!.GetValue<string>());
                }
            },
            iter: 1500, threads: 2);
    }

    private static Gen<string> Pick(params string[] values) => Gen.Int[0, values.Length - 1].Select(index => values[index]);

    private static void CheckError(int status, string? param, string message, HttpStatusCode code, JsonNode answer)
    {
        JsonNode error = answer["error"]!;
        Assert.True(status == (int)code, $"{(int)code}: {answer.ToJsonString()}");
        Assert.Equal(param, error["param"]?.GetValue<string>());
        Assert.Contains(message, error["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error["message"]!.GetValue<string>(), StringComparison.Ordinal);
        (string Type, string? Code) expected = status switch
        {
            400 => ("invalid_request_error", message.Contains("maximum context length", StringComparison.Ordinal) ? "context_length_exceeded" : null),
            401 => ("invalid_request_error", "invalid_api_key"),
            404 => ("invalid_request_error", param == "model" ? "model_not_found" : "unknown_url"),
            405 => ("invalid_request_error", "method_not_allowed"),
            413 => ("invalid_request_error", "body_too_large"),
            415 => ("invalid_request_error", "unsupported_media_type"),
            429 => ("rate_limit_error", "queue_full"),
            503 => ("service_unavailable", "shutting_down"),
            504 => ("timeout_error", "timeout"),
            _ => throw new ArgumentOutOfRangeException(nameof(status), status, "no kind of error is expected"),
        };
        Assert.Equal(expected, (error["type"]!.GetValue<string>(), error["code"]?.GetValue<string>()));
    }
}
