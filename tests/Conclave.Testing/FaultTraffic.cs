using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Conclave.Testing;

/// <summary>
/// Requests of many clients to a server that must survive them: good ones of many kinds, with answers known from when the server was idle; ones that are cancelled or whose
/// connection is dropped; oversized and malformed bodies; wrong keys and models. Everything that comes back wrong is a violation.
/// </summary>
public sealed class FaultTraffic : IDisposable
{
    private const string Completions = "/v1/completions";
    private const string Schema = """{"type": "object", "properties": {"unit": {"enum": ["c", "f"]}}, "required": ["unit"], "additionalProperties": false}""";
    private const string Tool = $$"""{"type": "function", "function": {"name": "get_weather", "parameters": {{Schema}} } }""";
    private const int Tales = 8;
    private const int MostRefusals = 1000;
    private const string Full = "429";
    private readonly HttpClient _http;
    private readonly string _key;
    private readonly string _model;
    private readonly int _bodyLimit;
    private readonly Question[] _questions;
    private readonly string[] _expected;
    private readonly ConcurrentDictionary<string, int> _outcomes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int> _answered = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _violations = new();

    /// <summary>Prepares traffic.</summary>
    /// <param name="server">The server's address.</param>
    /// <param name="key">Its API key.</param>
    /// <param name="model">The name of its model.</param>
    /// <param name="bodyLimit">Most bytes of a body that it takes.</param>
    public FaultTraffic(Uri server, string key, string model, int bodyLimit)
    {
        // Who asks before a body is sent (Expect: 100-continue) waits for the answer, however busy the machine is.
        _http = new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(1), Expect100ContinueTimeout = Timeout.InfiniteTimeSpan }) { BaseAddress = server, Timeout = TimeSpan.FromMinutes(5) };
        _key = key;
        _model = model;
        _bodyLimit = bodyLimit;
        _questions = Questions();
        _expected = new string[_questions.Length];
    }

    /// <summary>How often what was asked ended how.</summary>
    public IReadOnlyDictionary<string, int> Outcomes => _outcomes;

    /// <summary>How often each kind of good request was answered as when the server was idle.</summary>
    public IReadOnlyDictionary<string, int> Answered => _answered;

    /// <summary>What came back wrong; empty if the server did everything right.</summary>
    public IReadOnlyCollection<string> Violations => _violations;

    /// <summary>Asks for each known answer alone, to compare with later.</summary>
    public async Task LearnAsync(CancellationToken cancellation)
    {
        for (int i = 0; i < _questions.Length; i++)
        {
            Question question = _questions[i];
            using HttpResponseMessage response = await SendAsync(question, stream: false, HttpCompletionOption.ResponseContentRead, cancellation);
            Answers answers = new();
            answers.Add(JsonNode.Parse(await ExpectAsync(response, HttpStatusCode.OK))!);
            _expected[i] = answers.ToString();
            Expect(question.IsRight(answers), $"{question.Kind}: {answers}");
            _answered[question.Kind] = 0;
        }
    }

    /// <summary>Sends requests from so many clients until all are sent or the time is over.</summary>
    public async Task RunAsync(int clients, int requests, int seed, CancellationToken stop)
    {
        int next = 0;
        await Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(
            async () =>
            {
                Random random = new((seed * 1000) + client);
                while (Interlocked.Increment(ref next) <= requests && !stop.IsCancellationRequested)
                {
                    await OneAsync(random);
                }
            },
            CancellationToken.None)));
    }

    /// <summary>A value of the server's metrics.</summary>
    public async Task<double> MetricAsync(string name, CancellationToken cancellation)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, "/metrics");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _key);
        using HttpResponseMessage response = await _http.SendAsync(request, cancellation);
        string text = await response.Content.ReadAsStringAsync(cancellation);
        string line = text.Split('\n').FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal) && line.Length > name.Length && line[name.Length] is ' ' or '{')
            ?? throw new InvalidDataException($"/metrics has no {name}");
        return double.Parse(line[(line.IndexOf('}', StringComparison.Ordinal) + 1)..].Replace(name, "", StringComparison.Ordinal).Trim().Split(' ')[0]);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task OneAsync(Random random)
    {
        int question = random.Next(4) > 0 ? random.Next(Tales) : random.Next(Tales, _questions.Length);
        (string Kind, Func<Task<string>> Run)[] kinds =
        [
            ("whole answer", () => WholeAsync(question)),
            ("streamed answer", () => StreamAsync(question, int.MaxValue)),
            ("connection dropped while streaming", () => StreamAsync(question, 1 + random.Next(12))),
            ("cancelled", () => CancelledAsync(question, random.Next(60))),
            ("oversized body", () => OversizedAsync(asksFirst: random.Next(2) == 0)),
            ("malformed body", () => RefusedAsync(Malformed(random), _key, HttpStatusCode.BadRequest)),
            ("wrong key", () => RefusedAsync(_questions[question].Text(stream: true), "wrong", HttpStatusCode.Unauthorized)),
            ("unknown model", UnknownModelAsync),
        ];

        // Half of them are good to the end; oversized bodies, which cost both sides the most, are rare.
        (string kind, Func<Task<string>> run) = random.Next(50) switch
        {
            < 25 and int good => kinds[good % 2],
            25 => kinds[4],
            int other => kinds[(other % 6) switch { 0 or 1 => 2, 2 or 3 => 3, 4 => 5 + (other / 6 % 3), _ => 5 }],
        };
        string outcome;
        try
        {
            outcome = await run();
            for (int refusals = 1; outcome == Full && refusals < MostRefusals; refusals++)
            {
                // As one should, though sooner than the server asks: it is to be full again.
                await Task.Delay(100 + random.Next(300));
                outcome = await run();
                _outcomes.AddOrUpdate("(refused with 429, asked again)", 1, static (_, count) => count + 1);
            }
        }
#pragma warning disable CA1031 // Whatever goes wrong is what this looks for.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _violations.Enqueue($"{kind}: {e.GetType().Name}: {e.Message}");
            outcome = "violation";
        }

        _outcomes.AddOrUpdate($"{kind}: {outcome}", 1, static (_, count) => count + 1);
    }

    private async Task<string> WholeAsync(int question)
    {
        using HttpResponseMessage response = await SendAsync(_questions[question], stream: false, HttpCompletionOption.ResponseContentRead, default);
        if (await RefusedAsBusyAsync(response))
        {
            return Full;
        }

        Answers answers = new();
        answers.Add(JsonNode.Parse(await ExpectAsync(response, HttpStatusCode.OK))!);
        return Compare(question, answers);
    }

    private async Task<string> StreamAsync(int question, int events)
    {
        using HttpResponseMessage response = await SendAsync(_questions[question], stream: true, HttpCompletionOption.ResponseHeadersRead, default);
        if (await RefusedAsBusyAsync(response))
        {
            return Full;
        }

        Expect(response.StatusCode == HttpStatusCode.OK, $"status {response.StatusCode}");
        using StreamReader reader = new(await response.Content.ReadAsStreamAsync());
        Answers answers = new();
        bool done = false;
        while (await reader.ReadLineAsync() is { } line)
        {
            // Comments keep a stream alive while ranks are brought back.
            if (line.Length == 0 || line[0] == ':')
            {
                continue;
            }

            Expect(!done && line.StartsWith("data: ", StringComparison.Ordinal), $"line '{line}'");
            done = line == "data: [DONE]";
            if (!done)
            {
                JsonNode data = JsonNode.Parse(line["data: ".Length..])!;
                Expect(data["error"] is null, line);
                answers.Add(data);
            }

            if (--events == 0)
            {
                return "dropped";
            }
        }

        Expect(done, "the stream ended without [DONE]");
        return Compare(question, answers);
    }

    private string Compare(int question, Answers answers)
    {
        string kind = _questions[question].Kind;
        Expect(answers.ToString() == _expected[question], $"{kind} was answered {answers}, otherwise {_expected[question]}");
        _answered.AddOrUpdate(kind, 1, static (_, count) => count + 1);
        return "as alone";
    }

    private async Task<string> CancelledAsync(int question, int milliseconds)
    {
        using CancellationTokenSource cancel = new(milliseconds);
        try
        {
            using HttpResponseMessage response = await SendAsync(_questions[question], stream: false, HttpCompletionOption.ResponseContentRead, cancel.Token);
            if (await RefusedAsBusyAsync(response))
            {
                return Full;
            }

            await ExpectAsync(response, HttpStatusCode.OK);
            return "too late";
        }
        catch (OperationCanceledException)
        {
            return "gave up";
        }
    }

    private async Task<string> OversizedAsync(bool asksFirst)
    {
        try
        {
            using HttpResponseMessage response = await SendAsync(
                Completions, $"{{\"model\": \"{_model}\", \"prompt\": \"{new string('x', _bodyLimit)}\"}}", _key, HttpCompletionOption.ResponseContentRead, default, asksFirst);
            JsonNode error = JsonNode.Parse(await ExpectAsync(response, HttpStatusCode.RequestEntityTooLarge))!["error"]!;
            Expect(error["code"]!.GetValue<string>() == "body_too_large" && error["message"]!.GetValue<string>().Contains($"{_bodyLimit} bytes", StringComparison.Ordinal), error.ToJsonString());
            return "413";
        }
        catch (HttpRequestException e) when (e.InnerException is IOException && !asksFirst)
        {
            // A server need not read all of it before it answers and closes.
            return "connection closed";
        }
    }

    private Task<string> UnknownModelAsync()
    {
        JsonObject request = Tale(0);
        request["model"] = "no-such-model";
        return RefusedAsync(request.ToJsonString(), _key, HttpStatusCode.NotFound);
    }

    private async Task<string> RefusedAsync(string body, string key, HttpStatusCode status)
    {
        using HttpResponseMessage response = await SendAsync(Completions, body, key, HttpCompletionOption.ResponseContentRead, default);
        JsonNode error = JsonNode.Parse(await ExpectAsync(response, status))!["error"]!;
        Expect(error["message"]!.GetValue<string>().Length > 10 && error["type"] is not null, error.ToJsonString());
        return ((int)status).ToString();
    }

    private static async Task<bool> RefusedAsBusyAsync(HttpResponseMessage response)
    {
        if (response.StatusCode != HttpStatusCode.TooManyRequests)
        {
            return false;
        }

        Expect(response.Headers.RetryAfter is not null, "429 without Retry-After");
        Expect(JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"] is not null, "429 without an error object");
        return true;
    }

    private string Malformed(Random random)
    {
        string[] bodies =
        [
            "", "{", "[]", "null", "\"x\"", "{\"model\": 3}", $"{{\"model\": \"{_model}\"}}",
            $"{{\"model\": \"{_model}\", \"prompt\": {{}}}}",
            $"{{\"model\": \"{_model}\", \"prompt\": \"x\", \"max_tokens\": -1}}",
            $"{{\"model\": \"{_model}\", \"prompt\": \"x\", \"max_tokens\": 1e400}}",
            $"{{\"model\": \"{_model}\", \"prompt\": \"x\", \"temperature\": \"hot\"}}",
            $"{{\"model\": \"{_model}\", \"prompt\": \"x\", \"n\": 1000000}}",
            $"{{\"model\": \"{_model}\", \"prompt\": [1, 2, 999999999]}}",
            $"{{\"model\": \"{_model}\", \"prompt\": \"x\", \"stop\": [1]}}",
            $"{{\"model\": \"{_model}\", \"prompt\": \"x\", \"logit_bias\": {{\"a\": 1}}}}",
            $"{{\"model\": \"{_model}\", \"prompt\": {new string('[', 5000)}{new string(']', 5000)}}}",
        ];
        return bodies[random.Next(bodies.Length)];
    }

    // Plain tales, most of them with a prompt of several blocks, and one of each other kind: what forks, masks, parses or scores.
    private Question[] Questions() =>
    [
        .. Enumerable.Range(0, Tales).Select(tale => new Question("tale", Completions, Tale(tale), answers => answers.Count == 1)),
        new("several answers", Completions, Request("""{"max_tokens": 8, "n": 6, "priority": 1}""", Prompt(4)), answers => answers.Count == 6),
        new("list of prompts", Completions, Request("""{"max_tokens": 6, "n": 2, "priority": -1}""", new JsonArray(Prompt(1), Prompt(6), Prompt(1))), answers => answers.Count == 6),
        new("scored prompt", Completions, Request("""{"max_tokens": 4, "echo": true, "logprobs": 2}""", Prompt(8)), answers => answers.First.Logprobs > 80),
        Chat("chat", """{"max_tokens": 16, "priority": 1}""", answers => answers.First.Logprobs == 0),
        Chat("several answers in a chat", """{"max_tokens": 12, "n": 3, "logprobs": true, "top_logprobs": 1}""", answers => answers is { Count: 3, First.Logprobs: > 0 }),
        Chat("tools", $$"""{"max_tokens": 16, "tools": [{{Tool}}], "priority": -1}""", answers => answers.Count == 1),
        Chat("forced tool", $$"""{"max_tokens": 120, "tools": [{{Tool}}], "tool_choice": "required", "parallel_tool_calls": false}""", answers => answers.First is { Calls: > 0, Finish: "tool_calls" }),
        new("JSON object", Completions, Request("""{"max_tokens": 16, "response_format": {"type": "json_object"}, "n": 2}""", Prompt(1)), answers => answers.Count == 2),
        Chat("JSON schema", $$"""{"max_tokens": 120, "response_format": {"type": "json_schema", "json_schema": {"name": "weather", "schema": {{Schema}} } } }""", answers => answers.First.Finish == "stop"),
    ];

    private Question Chat(string kind, string fields, Func<Answers, bool> isRight)
    {
        JsonObject request = Request(fields);
        request["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "How warm is it in the wood, asked the fox." });
        return new Question(kind, "/v1/chat/completions", request, isRight);
    }

    private JsonObject Tale(int tale)
    {
        JsonObject request = Request("{}", Prompt(1 + (tale * 2), tale));
        request["max_tokens"] = 4 + (tale * 2);
        request["seed"] = tale;
        request["temperature"] = tale % 2;
        request["stop"] = new JsonArray("wolf");
        return request;
    }

    private JsonObject Request(string fields, JsonNode? prompt = null)
    {
        JsonObject request = JsonNode.Parse(fields)!.AsObject();
        request["model"] = _model;
        request["seed"] = 1;
        if (prompt is not null)
        {
            request["prompt"] = prompt;
        }

        return request;
    }

    private static JsonValue Prompt(int sentences, int tale = 100) => JsonValue.Create(string.Concat(Enumerable.Repeat($"Tale {tale}. Once upon a time there was a fox. ", sentences)));

    private Task<HttpResponseMessage> SendAsync(Question question, bool stream, HttpCompletionOption completion, CancellationToken cancellation) =>
        SendAsync(question.Path, question.Text(stream), _key, completion, cancellation);

    private async Task<HttpResponseMessage> SendAsync(
        string path, string body, string key, HttpCompletionOption completion, CancellationToken cancellation, bool asksFirst = false)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        request.Headers.ExpectContinue = asksFirst ? true : null;
        return await _http.SendAsync(request, completion, cancellation);
    }

    private static async Task<string> ExpectAsync(HttpResponseMessage response, HttpStatusCode status)
    {
        string text = await response.Content.ReadAsStringAsync();
        Expect(response.StatusCode == status, $"status {(int)response.StatusCode} instead of {(int)status}: {text[..Math.Min(text.Length, 300)]}");
        return text;
    }

    private static void Expect(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new InvalidDataException(otherwise);
        }
    }

    /// <summary>A good request.</summary>
    private sealed class Question(string kind, string path, JsonObject body, Func<Answers, bool> isRight)
    {
        private readonly string _whole = With(body, stream: false);
        private readonly string _streamed = With(body, stream: true);

        public string Kind => kind;

        public string Path => path;

        /// <summary>Whether answers are of the kind that was asked for.</summary>
        public Func<Answers, bool> IsRight => isRight;

        public string Text(bool stream) => stream ? _streamed : _whole;

        private static string With(JsonObject body, bool stream)
        {
            body["stream"] = stream;
            return body.ToJsonString();
        }
    }

    /// <summary>What came back, as a whole or in events: all that two askers of one question must agree on.</summary>
    private sealed class Answers
    {
        private readonly SortedDictionary<int, Choice> _choices = [];

        public int Count => _choices.Count;

        public Choice First => _choices[0];

        public void Add(JsonNode data)
        {
            foreach (JsonNode? node in data["choices"]!.AsArray())
            {
                int index = node!["index"]!.GetValue<int>();
                if (!_choices.TryGetValue(index, out Choice? choice))
                {
                    _choices.Add(index, choice = new Choice());
                }

                choice.Add(node);
            }
        }

        public override string ToString() => string.Join("; ", _choices.Select(pair => $"{pair.Key}: {pair.Value}"));
    }

    private sealed class Choice
    {
        private readonly StringBuilder _content = new();
        private readonly StringBuilder _reasoning = new();
        private readonly StringBuilder _calls = new();
        private readonly StringBuilder _logprobs = new();

        public string? Finish { get; private set; }

        public int Calls { get; private set; }

        /// <summary>How many tokens came with log-probabilities.</summary>
        public int Logprobs { get; private set; }

        public void Add(JsonNode node)
        {
            Expect(Finish is null, "something came after the end of an answer");
            JsonNode piece = node["message"] ?? node["delta"] ?? node;
            _content.Append((piece["content"] ?? piece["text"])?.GetValue<string>());
            _reasoning.Append(piece["reasoning_content"]?.GetValue<string>());
            foreach (JsonNode? call in piece["tool_calls"]?.AsArray() ?? [])
            {
                JsonNode function = call!["function"]!;
                if (function["name"] is { } name)
                {
                    Calls++;
                    _calls.Append($" {name} ");
                }

                _calls.Append(function["arguments"]?.GetValue<string>());
            }

            JsonNode? logprobs = node["logprobs"];
            JsonArray tokens = logprobs?["content"]?.AsArray() ?? logprobs?["token_logprobs"]?.AsArray() ?? [];
            Logprobs += tokens.Count;
            _logprobs.AppendJoin(' ', tokens.Select(token => token?.ToJsonString())).Append(tokens.Count > 0 ? " " : "");
            Finish = node["finish_reason"]?.GetValue<string>();
        }

        public override string ToString() => $"{Finish} '{_content}' '{_reasoning}'{_calls} {_logprobs}";
    }
}
