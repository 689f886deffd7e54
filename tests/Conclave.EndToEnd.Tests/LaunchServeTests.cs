using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>The server over many ranks.</summary>
[Collection(nameof(UndisturbedTests))]
public sealed class LaunchServeTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData]
    [InlineData("--dp", "2")]
    [InlineData("--tp", "2")]
    [InlineData("--hosts", "2")]
    public async Task Many_clients_get_the_logprobs_of_one_rank_and_a_signal_drains(params string[] more)
    {
        bool onHosts = more is ["--hosts", ..];
        if (onHosts)
        {
            LaunchTests.SkipUnlessRoot();
        }

        using ServeProcess alone = ServeProcess.Start(Cli.Program);
        using ServeProcess ranks = ServeProcess.StartOverRanks(Cli.Program, ["--ranks", "3", .. more]);
        using HttpClient one = new() { BaseAddress = await alone.AddressAsync };
        Uri address = await ranks.AddressAsync;
        using HttpClient many = onHosts ? ProcessNetwork.Client(address, RankChildren.WaitFor(ranks.Id, 3)[0]) : new HttpClient { BaseAddress = address };
        string? network = onHosts ? Cli.RunProgram("ip", ["netns", "identify", $"{RankChildren.WaitFor(ranks.Id, 3)[0]}"]).Output.Trim() : null;
        string[] expected = await AskAsync(one);
        Assert.Equal(expected, await AskAsync(many));

        // A launch that idles goes on.
        Assert.Equal(expected, await AskAsync(many));
        Assert.Equal(0, await ranks.StopAsync(Stop));
        Assert.Contains("[rank 0] finishing what was accepted", ranks.Log);
        Assert.Equal(network is not null, ranks.Log.Contains("network namespace", StringComparison.Ordinal));
        Assert.Contains(network is null ? "" : $" ip netns exec {network} curl {address}v1/models\n", ranks.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ranks_of_one_host_listen_on_its_loopback_interface_only()
    {
        using ServeProcess ranks = ServeProcess.StartOverRanks(Cli.Program, ["--ranks", "3"]);
        await ranks.AddressAsync;
        IPEndPoint[][] listening = [.. RankChildren.WaitFor(ranks.Id, 3).Values.Select(ListeningSockets.Of)];

        // Each rank's UCX, and the server.
        Assert.All(listening, endpoints => Assert.NotEmpty(endpoints));
        Assert.InRange(listening[0].Length, 2, int.MaxValue);
        Assert.All(listening.SelectMany(endpoints => endpoints), endpoint => Assert.True(IPAddress.IsLoopback(endpoint.Address), $"{endpoint}"));
        Assert.Equal(0, await ranks.StopAsync(Stop));
    }

    [Fact]
    public async Task Sixty_four_processes_on_eight_hosts_give_the_logprobs_of_one()
    {
        LaunchTests.SkipUnlessRoot();
        long start = Stopwatch.GetTimestamp();
        using ServeProcess ranks = ServeProcess.StartOverRanks(Cli.Program, ["--ranks", "64", "--hosts", "8", "--report"]);
        Uri address = await ranks.AddressAsync;
        using HttpClient many = ProcessNetwork.Client(address, RankChildren.WaitFor(ranks.Id, 64)[0]);
        string answer = await AskAsync(many, "Once upon a time", 3, 4);
        Assert.Equal(0, await ranks.StopAsync(Stop));
        TestContext.Current.TestOutputHelper!.WriteLine($"{Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s\n{ranks.Log}");

        using ServeProcess alone = ServeProcess.Start(Cli.Program);
        using HttpClient one = new() { BaseAddress = await alone.AddressAsync };
        Assert.Equal(await AskAsync(one, "Once upon a time", 3, 4), answer);

        // Each has its line, and each of the hosts has sent.
        string[] lines = ranks.Log.Split('\n');
        Assert.All(Enumerable.Range(0, 64), rank => Assert.Single(lines, line => line.StartsWith($"rank {rank}: waited ", StringComparison.Ordinal)));
        (double crossed, double[] sent) = LaunchTests.Traffic(ranks.Log);
        Assert.InRange(crossed, 1, sent.Sum());
        Assert.Equal(8, sent.Length);
        Assert.All(sent, bytes => Assert.True(bytes > 0));
    }

    [Fact]
    public async Task A_rank_that_is_killed_while_nothing_is_computed_ends_the_launch_in_time()
    {
        TwoOfThree times = new(LaunchTests.EndsWithin);
        while (!times.AreDecided)
        {
            using ServeProcess server = ServeProcess.StartOverRanks(Cli.Program, ["--ranks", "3"]);
            await server.AddressAsync;
            SortedDictionary<int, int> ranks = RankChildren.WaitFor(server.Id, 3);
            long start = Stopwatch.GetTimestamp();
            using (Process victim = Process.GetProcessById(ranks[1]))
            {
                victim.Kill();
            }

            Assert.Equal(1, await server.WaitForExitAsync(Stop));
            times.Add(Stopwatch.GetElapsedTime(start));
            Assert.EndsWith("tokens\nerror: rank 1 was killed by signal 9 (SIGKILL)\n", server.Log);
            RankChildren.WaitForEnd(ranks.Values);
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"ended {times} after the rank");
        Assert.True(times.InTime, $"the launch ended {times} after the rank");
    }

    private static async Task<string[]> AskAsync(HttpClient http) =>
        await Task.WhenAll(Enumerable.Range(0, 6).Select(index => AskAsync(http, $"Tale {index}: once upon a time", index, 10)));

    private static async Task<string> AskAsync(HttpClient http, string prompt, int seed, int tokens)
    {
        JsonObject body = new()
        {
            ["model"] = "fable", ["prompt"] = prompt, ["max_tokens"] = tokens, ["logprobs"] = 3, ["seed"] = seed, ["ignore_eos"] = true,
        };
        using StringContent content = new(body.ToJsonString(), Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await http.PostAsync(new Uri("/v1/completions", UriKind.Relative), content, Stop);
        string text = await response.Content.ReadAsStringAsync(Stop);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return JsonNode.Parse(text)!["choices"]!.ToJsonString();
    }
}
