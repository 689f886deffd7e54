using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Conclave.EndToEnd.Tests;

/// <summary>Commands whose standard error cannot be written.</summary>
public sealed class StandardErrorTests
{
    private const string FullDisk = "2>/dev/full";
    private const string Closed = "2>&-";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("exec dotnet conclave nope", FullDisk, 2, "")]
    [InlineData("exec dotnet conclave nope", Closed, 2, "")]
    [InlineData("exec dotnet conclave inspect /no/such/folder", FullDisk, 2, "")]
    [InlineData("echo Tell me a story about a fox. | dotnet conclave chat --temperature 0 --max-tokens 4", FullDisk, 0, "<think>")]
    [InlineData("echo Tell me a story about a fox. | dotnet conclave chat --temperature 0 --max-tokens 4", Closed, 0, "<think>")]
    public void Exit_code_and_output_are_those_of_a_command_that_is_heard(string command, string redirection, int code, string output)
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "Linux's device that is always full");
        CliResult result = Cli.RunProgram("sh", ["-c", $"{command.Replace("conclave", $"'{Cli.Program}'", StringComparison.Ordinal)} {redirection}"]);
        Assert.Equal(code, result.Code);
        Assert.StartsWith(output, result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FullDisk)]
    [InlineData(Closed)]
    public async Task A_server_starts_and_finishes_what_it_accepted(string redirection)
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "Linux's device that is always full");
        int port = FreePort();
        using Process server = Cli.Start("sh", ["-c", $"exec dotnet '{Cli.Program}' serve --port {port} --isa reference {redirection}"]);
        try
        {
            using HttpClient http = new() { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            await ReadyAsync(http, server);
            using HttpRequestMessage request = new(HttpMethod.Post, "/v1/completions")
            {
                Content = new StringContent(
                    """{"model": "fable", "prompt": "Once upon a time", "max_tokens": 300, "stream": true, "ignore_eos": true}""", Encoding.UTF8, "application/json"),
            };
            using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Stop);
            using StreamReader reader = new(await response.Content.ReadAsStreamAsync(Stop));
            Assert.StartsWith("data: ", await reader.ReadLineAsync(Stop), StringComparison.Ordinal);
            using Process kill = Process.Start("kill", ["-TERM", $"{server.Id}"]);
            Assert.EndsWith("data: [DONE]\n\n", await reader.ReadToEndAsync(Stop), StringComparison.Ordinal);
            Assert.Equal(0, Cli.Finish(server).Code);
        }
        finally
        {
            if (!server.HasExited)
            {
                server.Kill(entireProcessTree: true);
            }
        }
    }

    // What the server would announce is lost, its port too.
    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task ReadyAsync(HttpClient http, Process server)
    {
        for (long began = Stopwatch.GetTimestamp(); ; await Task.Delay(100, Stop))
        {
            Assert.False(server.HasExited, "the server ended before it listened");
            Assert.True(Stopwatch.GetElapsedTime(began) < Limit, $"the server did not listen within {Limit}");
            try
            {
                using HttpResponseMessage ready = await http.GetAsync(new Uri("/ready", UriKind.Relative), Stop);
                if (ready.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Nobody listens yet.
            }
        }
    }
}
