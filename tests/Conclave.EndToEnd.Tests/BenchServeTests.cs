using System.Diagnostics;
using System.Text.Json;
using System.Xml.Linq;
using Conclave.Measurement.Tests.Load;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>conclave bench serve, against a fake server.</summary>
public sealed class BenchServeTests
{
    [Fact]
    public async Task Runs_follow_each_other_and_are_compared_with_the_first()
    {
        await using FakeServer server = await FakeServer.StartAsync(request => request.AnswerAsync());
        using TemporaryFolder folder = new();
        string svg = folder.File("serve.svg");
        string key = folder.Write("key", "secret\n");
        string[] arguments =
        [
            "bench", "serve", server.Url, "--clients", "1,3", "--requests", "9", "--input-tokens", "4-8", "--output-tokens", "5", "--warmup", "2",
            "--api-key", $"@{key}", "--slo-ttft", "1e6", "--plot", svg,
        ];
        CliResult text = Cli.Run(arguments);
        Assert.Equal((0, ""), (text.Code, text.Error));
        Assert.Equal(2 * (9 + 2), server.Requests.Count);
        Assert.All(server.Requests, request => Assert.Equal(("Bearer secret", "fake"), (request.Authorization, request.Body.GetProperty("model").GetString())));
        Assert.Equal(2 * (9 + 2), server.Requests.Select(request => request.Body.GetProperty("prompt").ToString()).Distinct().Count());
        Assert.Contains($"fake at {server.Url}/v1/: 4 to 8 input and 5 output tokens", text.Lines);
        Assert.Contains(text.Lines, line => line.StartsWith("1 client: 9 answered, 0 failed", StringComparison.Ordinal));
        Assert.Contains(text.Lines, line => line.StartsWith("3 clients: 9 answered, 0 failed", StringComparison.Ordinal));
        Assert.Single(text.Lines, line => line.StartsWith("  3 clients ÷ 1 client: output tokens/s × ", StringComparison.Ordinal));
        Assert.Equal(3, XDocument.Load(svg).Descendants().Count(element => element.Value == "3 clients"));

        CliResult json = Cli.Run([.. arguments, "--json", "--model", "other"]);
        Assert.Equal((0, ""), (json.Code, json.Error));
        JsonElement root = JsonDocument.Parse(json.Output).RootElement;
        Assert.Equal("other", root.GetProperty("model").GetString());
        JsonElement[] runs = [.. root.GetProperty("runs").EnumerateArray()];
        Assert.Equal([1, 3], runs.Select(run => run.GetProperty("clients").GetInt32()));
        foreach (JsonElement run in runs)
        {
            Assert.Equal((9, 45, 9), (run.GetProperty("answered").GetInt32(), run.GetProperty("output_tokens").GetInt32(), run.GetProperty("good").GetInt32()));
            JsonElement itl = run.GetProperty("itl_ms");
            Assert.Equal(36, itl.GetProperty("count").GetInt32());
            Assert.True(itl.GetProperty("p99").GetDouble() <= itl.GetProperty("max").GetDouble());
        }

        double Rate(JsonElement run) => run.GetProperty("output_tokens_per_second").GetDouble();
        Assert.Equal(Rate(runs[1]) / Rate(runs[0]), runs[1].GetProperty("output_tokens_ratio_to_first").GetDouble(), 1e-9);
    }

    [Fact]
    public async Task A_trace_is_replayed()
    {
        await using FakeServer server = await FakeServer.StartAsync(request => request.AnswerAsync());
        using TemporaryFolder folder = new();
        string trace = folder.Write("trace.jsonl", """
            {"timestamp": 0, "input_length": 1030, "output_length": 80, "hash_ids": [0, 1, 2]}
            {"timestamp": 1000, "input_length": 1024, "output_length": 8, "hash_ids": [0, 3]}
            {"timestamp": 9999999, "input_length": 1024, "output_length": 8, "hash_ids": [0, 3]}
            """);
        CliResult result = Cli.Run(
            "bench", "serve", server.Url, "--trace", trace, "--scale", "0.125", "--speed", "100", "--requests", "2", "--warmup", "0", "--json");
        Assert.Equal((0, ""), (result.Code, result.Error));
        int[][] prompts = [.. server.Requests.Select(request => request.Body.GetProperty("prompt").EnumerateArray().Select(token => token.GetInt32()).ToArray())];
        Assert.Equal([128, 128], prompts.Select(prompt => prompt.Length));
        Assert.Equal(prompts[0][..64], prompts[1][..64]);
        Assert.NotEqual(prompts[0][64..], prompts[1][64..]);
        Assert.Equal([1, 10], server.Requests.Select(request => request.Body.GetProperty("max_tokens").GetInt32()).Order());
        JsonElement run = Assert.Single(JsonDocument.Parse(result.Output).RootElement.GetProperty("runs").EnumerateArray());
        Assert.Equal(2, run.GetProperty("lateness_ms").GetProperty("count").GetInt32());
    }

    [Fact]
    public async Task Interrupting_a_run_shows_what_was_measured()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX signals");
        TaskCompletionSource third = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using FakeServer server = await FakeServer.StartAsync(async request =>
        {
            if (request.Number == 2)
            {
                third.SetResult();
                await Task.Delay(TimeSpan.FromMinutes(5), request.Aborted);
            }

            await request.AnswerAsync();
        });
        using Process process = Cli.Start("dotnet", [Cli.Program, "bench", "serve", server.Url, "--warmup", "0", "--requests", "9", "--json"]);
        await third.Task.WaitAsync(TimeSpan.FromMinutes(5));
        using Process kill = Process.Start("kill", ["-INT", $"{process.Id}"]);
        CliResult result = Cli.Finish(process);
        Assert.Equal((130, ""), (result.Code, result.Error));
        JsonElement run = Assert.Single(JsonDocument.Parse(result.Output).RootElement.GetProperty("runs").EnumerateArray());
        Assert.Equal((2, 1, true), (run.GetProperty("answered").GetInt32(), run.GetProperty("abandoned").GetInt32(), run.GetProperty("interrupted").GetBoolean()));
    }

    [Fact]
    public async Task A_server_that_answers_nothing_ends_with_one_sentence_and_exit_1()
    {
        await using FakeServer server = await FakeServer.StartAsync(request => request.RefuseAsync(400, """{"error": {"message": "too \u001b[31mlong"}}"""));
        CliResult warm = Cli.Run("bench", "serve", server.Url, "--requests", "3");
        Assert.Equal((1, "", "error: no request was answered; 1 of 1 ended with status 400: too \\u001b[31mlong\n"), (warm.Code, warm.Output, warm.Error));
        CliResult measured = Cli.Run("bench", "serve", server.Url, "--requests", "3", "--warmup", "0");
        Assert.Equal((1, "error: no request was answered; 3 of 3 ended with status 400: too \\u001b[31mlong\n"), (measured.Code, measured.Error));
        Assert.Contains("  3 × status 400: too \\u001b[31mlong", measured.Lines);
    }

    [Fact]
    public void A_server_that_is_not_there_ends_with_one_sentence_and_exit_1()
    {
        // Port 1 is reserved, and nobody listens there.
        CliResult result = Cli.Run("bench", "serve", "http://127.0.0.1:1");
        Assert.Equal((1, ""), (result.Code, result.Output));
        Assert.StartsWith("error: http://127.0.0.1:1/v1/models: cannot be reached: ", result.Error);
        Assert.Single(result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("localhost:8080", "such as http://127.0.0.1:8080")]
    [InlineData("http://a --clients 0", "--clients 0: \"0\" is no number from 1 to 10000")]
    [InlineData("http://a --clients 1,x", "--clients 1,x: \"x\" is no number from 1 to 10000")]
    [InlineData("http://a --clients 2 --rate 3", "--rate and --clients: one or the other")]
    [InlineData("http://a --trace t --rate 3", "--trace and --rate")]
    [InlineData("http://a --trace t --input-tokens 3", "--trace and --input-tokens")]
    [InlineData("http://a --trace /no/such/file", "/no/such/file: there is no such file")]
    [InlineData("http://a --trace t --scale 2", "--scale 2: above 0, at most 1")]
    [InlineData("http://a --scale 0.5", "--scale is for --trace")]
    [InlineData("http://a --groups 2", "--groups is for --shared-prefix")]
    [InlineData("http://a --rate 0", "--rate 0: 0.001")]
    [InlineData("http://a --rate NaN", "--rate NaN")]
    [InlineData("http://a --requests 3 --duration 4", "--requests and --duration")]
    [InlineData("http://a --requests 0", "--requests 0: at least 1")]
    [InlineData("http://a --input-tokens 9-3", "--input-tokens 9-3: a number from 1")]
    [InlineData("http://a --output-tokens 1-2-3", "--output-tokens 1-2-3")]
    [InlineData("http://a --endpoint talk", "completions or chat")]
    [InlineData("http://a --api-key @/no/such/file", "--api-key @/no/such/file")]
    [InlineData("http://a --api-key schlüssel", "--api-key: printable ASCII is expected")]
    [InlineData("http://a --warmup -1", "--warmup -1")]
    [InlineData("http://a --vocabulary 0", "--vocabulary 0")]
    [InlineData("http://a --timeout 0", "--timeout 0")]
    [InlineData("http://a --slo-ttft -3", "--slo-ttft -3")]
    [InlineData("http://a --plot /no/such/folder/a.svg", "/no/such/folder/a.svg")]
    [InlineData("", "Required argument missing for command: 'serve'")]
    public void A_mistake_ends_with_exit_2(string arguments, string part)
    {
        CliResult result = Cli.Run(["bench", "serve", .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.Contains(part, result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error);
    }
}
