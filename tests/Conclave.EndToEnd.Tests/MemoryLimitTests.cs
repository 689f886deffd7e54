using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>What the runtime allows its heap, in a container three quarters of the container's memory, is no limit of weights and caches.</summary>
public sealed partial class MemoryLimitTests
{
    // 64 MB in hexadecimal digits: less than the model's files, and a quarter of it less than the cache that four contexts take.
    private const string HeapLimit = "4000000";
    private const string Layers = "40";

    [Fact]
    public async Task Weights_and_cache_do_not_count_against_the_heap()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc tells the names of threads");
        using TemporaryFolder folder = new();
        string model = folder.File("model");
        CliResult written = Cli.Run("synth", "--shape", "fable", "--layers", Layers, "--format", "fp8", "--out", model);
        Assert.True(written.Code == 0, written.Error);
        Assert.InRange(Directory.GetFiles(model, "*.safetensors").Sum(file => new FileInfo(file).Length), 100_000_000, 400_000_000);
        using Process serve = Cli.Start(
            "dotnet", [Cli.Program, "serve", "--port", "0", "--model", model, "--context", "1024", "--max-running", "4"], [("DOTNET_GCHeapHardLimit", HeapLimit)]);
        try
        {
            string? announced = await serve.StandardError.ReadLineAsync(TestContext.Current.CancellationToken);
            Match match = Announcement().Match(announced ?? "");
            Assert.True(match.Success, announced);
            Assert.Equal("4096", match.Groups["tokens"].Value);
            await ComputeAsync(new Uri(match.Groups["address"].Value));
            string[] threads = [.. Directory.GetDirectories($"/proc/{serve.Id}/task").Select(thread => File.ReadAllText(Path.Combine(thread, "comm")).Trim())];
            Assert.Contains(threads, name => name.StartsWith("conclave", StringComparison.Ordinal));

            // Those that read experts ahead where a model does not fit into memory.
            Assert.DoesNotContain("conclave reader", threads);
        }
        finally
        {
            serve.Kill();
        }
    }

    private static async Task ComputeAsync(Uri server)
    {
        using HttpClient http = new() { BaseAddress = server };
        using StringContent body = new("""{"model": "model", "prompt": "a", "max_tokens": 2, "ignore_eos": true}""", Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await http.PostAsync(new Uri("/v1/completions", UriKind.Relative), body, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [GeneratedRegex(" at (?<address>http://[^ ]+)/v1, .*, a cache of (?<tokens>[0-9]+) tokens", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Announcement();
}
