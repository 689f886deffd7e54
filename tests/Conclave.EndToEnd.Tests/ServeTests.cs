using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>How serve starts and ends.</summary>
public sealed class ServeTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ASignalLetsAcceptedRequestsFinishAndRefusesNewOnes()
    {
        // The reference takes seconds for this answer, and the others would take less than one: it must go on until the signal has been noticed.
        using ServeProcess server = ServeProcess.Start(Cli.Program, "--isa", "reference", "--threads", "1");
        using HttpClient http = new() { BaseAddress = await server.AddressAsync };
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/completions") { Content = Completion(maxTokens: 150, stream: true) };
        using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Stop);
        using StreamReader reader = new(await response.Content.ReadAsStreamAsync(Stop));
        Assert.StartsWith("data: ", await reader.ReadLineAsync(Stop));
        server.Terminate();
        HttpStatusCode refused = HttpStatusCode.OK;
        for (long start = Stopwatch.GetTimestamp(); refused == HttpStatusCode.OK && Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(1);)
        {
            await Task.Delay(20, Stop);
            using HttpResponseMessage ready = await http.GetAsync(new Uri("/ready", UriKind.Relative), Stop);
            refused = ready.StatusCode;
        }

        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused);
        using HttpContent late = Completion(maxTokens: 1, stream: false);
        using HttpResponseMessage second = await http.PostAsync(new Uri("/v1/completions", UriKind.Relative), late, Stop);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, second.StatusCode);
        string rest = await reader.ReadToEndAsync(Stop);
        Assert.Contains("\"finish_reason\":\"length\"", rest, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", rest, StringComparison.Ordinal);
        Assert.Equal(0, await server.StopAsync(Stop));
        Assert.DoesNotContain("exception", server.Log, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>fable's own template is of R1's kind, which lists none.</summary>
    [Theory]
    [InlineData("{{ messages[0].content }}<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>", 1)]
    [InlineData("{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}{{ messages[0].content }}", 0)]
    public async Task ThatTheModelIsNotToldOfToolsIsSaidOnce(string template, int times)
    {
        using TemporaryFolder folder = new();
        using ServeProcess server = ServeProcess.Start(Cli.Program, "--chat-template", folder.Write("given.jinja", template));
        using HttpClient http = new() { BaseAddress = await server.AddressAsync };
        foreach (string tools in (string[])["", ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"look\"}}]", ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"see\"}}]"])
        {
            using StringContent content = new($"{{\"messages\": [{{\"role\": \"user\", \"content\": \"Once upon\"}}], \"max_tokens\": 1{tools}}}", Encoding.UTF8, "application/json");
            using HttpResponseMessage response = await http.PostAsync(new Uri("/v1/chat/completions", UriKind.Relative), content, Stop);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Equal(0, await server.StopAsync(Stop));
        Assert.Equal(times, server.Log.Split("does not tell the model of them").Length - 1);
    }

    [Fact]
    public async Task ATemplateThatIsGivenTakesThePlaceOfTheModels()
    {
        using TemporaryFolder folder = new();
        using ServeProcess server = ServeProcess.Start(Cli.Program, "--chat-template", folder.Write("given.jinja", "<｜User｜>{{ messages[0].content }}"));
        using HttpClient http = new() { BaseAddress = await server.AddressAsync };
        string asked = await TokenizeAsync("{\"messages\": [{\"role\": \"user\", \"content\": \"Once upon\"}]}");
        Assert.Equal(await TokenizeAsync("{\"prompt\": \"<｜User｜>Once upon\", \"add_special_tokens\": false}"), asked);
        Assert.Contains("\"count\":", asked, StringComparison.Ordinal);

        async Task<string> TokenizeAsync(string body)
        {
            using StringContent content = new(body, Encoding.UTF8, "application/json");
            using HttpResponseMessage response = await http.PostAsync(new Uri("/tokenize", UriKind.Relative), content, Stop);
            return await response.Content.ReadAsStringAsync(Stop);
        }
    }

    [Fact]
    public void APortInUseIsOneSentence()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        CliResult result = Cli.Run("serve", "--port", $"{port}");
        Assert.Equal(2, result.Code);
        Assert.StartsWith($"error: 127.0.0.1:{port} cannot be listened on", result.Error, StringComparison.Ordinal);
        Assert.Contains("--port", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--host", "nowhere", "--host nowhere")]
    [InlineData("--port", "70000", "--port 70000")]
    [InlineData("--cache-memory", "much", "--cache-memory much")]
    [InlineData("--cache-memory", "1B", "holds no block")]
    [InlineData("--api-key", "@/no/such/file", "/no/such/file")]
    [InlineData("--api-key", "", "the key is empty")]
    [InlineData("--allowed-origins", "localhost:3000", "--allowed-origins localhost:3000")]
    [InlineData("--allowed-origins", "http://localhost/page", "--allowed-origins http://localhost/page")]
    [InlineData("--prefix-reuse", "some", "--prefix-reuse some: all, strict or none is expected")]
    [InlineData("--max-running", "0", "--max-running 0")]
    [InlineData("--max-running", "513", "--max-running 513")]
    [InlineData("--max-waiting", "-1", "--max-waiting -1")]
    [InlineData("--request-timeout", "0", "--request-timeout 0")]
    [InlineData("--request-timeout", "4294968", "0.001 to 4294967 are expected")]
    public void AWrongOptionIsNamed(string option, string value, string message)
    {
        CliResult result = Cli.Run("serve", option, value);
        Assert.Equal(2, result.Code);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0.0.0.0", null, true)]
    [InlineData("0.0.0.0", "key", false)]
    [InlineData("127.0.0.1", null, false)]
    [InlineData("localhost", null, false)]
    public async Task BeingReachableWithoutAKeyWarns(string host, string? key, bool warns)
    {
        using ServeProcess server = ServeProcess.Start(Cli.Program, ["--host", host, .. key is null ? [] : (string[])["--api-key", key]]);
        await server.AddressAsync;
        Assert.Equal(0, await server.StopAsync(Stop));
        Assert.Equal(warns, server.Log.Contains("warning: 0.0.0.0 can be reached", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("http://LOCALHOST:80/", "http://localhost")]
    [InlineData("vscode-webview://a1", "vscode-webview://a1")]
    [InlineData("*", "http://anywhere")]
    public async Task PagesOfAnAllowedOriginMayAsk(string allowed, string origin)
    {
        using ServeProcess server = ServeProcess.Start(Cli.Program, ["--allowed-origins", "https://other", "--allowed-origins", allowed]);
        using HttpClient http = new() { BaseAddress = await server.AddressAsync };
        http.DefaultRequestHeaders.Add("Origin", origin);
        using HttpResponseMessage response = await http.GetAsync(new Uri("/health", UriKind.Relative), Stop);
        Assert.Equal(allowed == "*" ? "*" : origin, Assert.Single(response.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Equal(0, await server.StopAsync(Stop));
    }

    private static StringContent Completion(int maxTokens, bool stream) => new(
        $$"""{"model": "fable", "prompt": "Once upon a time", "max_tokens": {{maxTokens}}, "stream": {{(stream ? "true" : "false")}}, "ignore_eos": true}""",
        Encoding.UTF8, "application/json");
}
