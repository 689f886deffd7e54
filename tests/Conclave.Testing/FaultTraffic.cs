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
    private const int MostRefusals = 1000;
    private const string Full = "429";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private readonly HttpClient _http;
    private readonly string _key;
    private readonly string _model;
    private readonly int _bodyLimit;
    private readonly FaultQuestions _asked;
    private readonly FaultQuestion[] _questions;
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
        _asked = new FaultQuestions(model);
        _questions = _asked.All();
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
            FaultQuestion question = _questions[i];
            using HttpResponseMessage response = await SendAsync(question, stream: false, HttpCompletionOption.ResponseContentRead, cancellation);
            FaultAnswers answers = new();
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
        int question = random.Next(4) > 0 ? random.Next(FaultQuestions.Tales) : random.Next(FaultQuestions.Tales, _questions.Length);
        (string Kind, Func<Task<string>> Run)[] kinds =
        [
            ("whole answer", () => WholeAsync(question)),
            ("streamed answer", () => StreamAsync(question, int.MaxValue)),
            ("connection dropped while streaming", () => StreamAsync(question, 1 + random.Next(12))),
            ("cancelled", () => CancelledAsync(question, random.Next(60))),
            ("oversized body", () => OversizedAsync(asksFirst: random.Next(2) == 0)),
            ("malformed body", () => RefusedAsync(_asked.Malformed(random), _key, HttpStatusCode.BadRequest)),
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

        FaultAnswers answers = new();
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
        FaultAnswers answers = new();
        bool done = false;

        // The client's limit ends with the headers.
        while (await reader.ReadLineAsync().WaitAsync(Patience) is { } line)
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

    private string Compare(int question, FaultAnswers answers)
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
                FaultQuestions.Completions, $"{{\"model\": \"{_model}\", \"prompt\": \"{new string('x', _bodyLimit)}\"}}", _key, HttpCompletionOption.ResponseContentRead, default, asksFirst);
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
        JsonObject request = _asked.Tale(0);
        request["model"] = "no-such-model";
        return RefusedAsync(request.ToJsonString(), _key, HttpStatusCode.NotFound);
    }

    private async Task<string> RefusedAsync(string body, string key, HttpStatusCode status)
    {
        using HttpResponseMessage response = await SendAsync(FaultQuestions.Completions, body, key, HttpCompletionOption.ResponseContentRead, default);
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

    private Task<HttpResponseMessage> SendAsync(FaultQuestion question, bool stream, HttpCompletionOption completion, CancellationToken cancellation) =>
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

    /// <summary>Ends a request as a violation unless something is so.</summary>
    /// <exception cref="InvalidDataException">It is not.</exception>
    internal static void Expect(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new InvalidDataException(otherwise);
        }
    }
}
