using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>The server over many ranks.</summary>
public sealed class LaunchServeTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData]
    [InlineData("--dp", "2")]
    [InlineData("--tp", "2")]
    public async Task Many_clients_get_the_logprobs_of_one_rank_and_a_signal_drains(params string[] more)
    {
        using ServeProcess alone = ServeProcess.Start(Cli.Program);
        using ServeProcess ranks = ServeProcess.StartOverRanks(Cli.Program, ["--ranks", "3", .. more]);
        string[] expected = await AskAsync(await alone.AddressAsync);
        Assert.Equal(expected, await AskAsync(await ranks.AddressAsync));

        // A launch that idles goes on.
        Assert.Equal(expected, await AskAsync(await ranks.AddressAsync));
        Assert.Equal(0, await ranks.StopAsync(Stop));
        Assert.Contains("[rank 0] finishing what was accepted", ranks.Log);
    }

    [Fact]
    public async Task A_rank_that_is_killed_while_nothing_is_computed_ends_the_launch()
    {
        using ServeProcess server = ServeProcess.StartOverRanks(Cli.Program, ["--ranks", "3"]);
        await server.AddressAsync;
        SortedDictionary<int, int> ranks = RankChildren.WaitFor(server.Id, 3);
        using (Process victim = Process.GetProcessById(ranks[1]))
        {
            victim.Kill();
        }

        Assert.Equal(1, await server.WaitForExitAsync(Stop));
        Assert.EndsWith("error: rank 1 was killed by signal 9 (SIGKILL)\n", server.Log);
        RankChildren.WaitForEnd(ranks.Values);
    }

    private static async Task<string[]> AskAsync(Uri address)
    {
        using HttpClient http = new() { BaseAddress = address };
        return await Task.WhenAll(Enumerable.Range(0, 6).Select(async index =>
        {
            JsonObject body = new()
            {
                ["model"] = "fable", ["prompt"] = $"Tale {index}: once upon a time", ["max_tokens"] = 10, ["logprobs"] = 3, ["seed"] = index, ["ignore_eos"] = true,
            };
            using StringContent content = new(body.ToJsonString(), Encoding.UTF8, "application/json");
            using HttpResponseMessage response = await http.PostAsync(new Uri("/v1/completions", UriKind.Relative), content, Stop);
            string text = await response.Content.ReadAsStringAsync(Stop);
            Assert.True(response.StatusCode == HttpStatusCode.OK, text);
            return JsonNode.Parse(text)!["choices"]!.ToJsonString();
        }));
    }
}
