using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>What a person reads where a launch fails: the first cause, once, as the last line.</summary>
[Collection(nameof(UndisturbedTests))]
public sealed partial class LaunchFailureTests
{
    private const string Killed = "rank 1 was killed by signal 9 (SIGKILL)";
    private const int SigInt = 2;
    private const int SigKill = 9;

    private static readonly string[] GenerateForLong = ["generate", "Once upon a time", "--isa", "reference", "--max-tokens", "1000", "--ignore-eos"];

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public void A_killed_host_agent_is_named()
    {
        LaunchTests.SkipUnlessRoot();
        using Process launch = Cli.Start("dotnet", [Cli.Program, "launch", "--ranks", "4", "--hosts", "2", "--", .. GenerateForLong]);
        Assert.NotEqual(-1, launch.StandardOutput.Read());
        SortedDictionary<int, int> ranks = RankChildren.WaitFor(launch.Id, 4);
        Assert.Equal(0, Kill(RankChildren.Parent(ranks[3]), SigKill));
        CliResult result = Cli.Finish(launch);
        Assert.Equal(1, result.Code);
        Assert.EndsWith("error: host agent 1 ended, and with it ranks 2, 3\n", result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.Split("error: ")[1..]);
        RankChildren.WaitForEnd(ranks.Values);
    }

    [Theory]
    [InlineData]
    [InlineData("--dp", "2")]
    public async Task Requests_of_a_launch_whose_rank_is_killed_get_the_cause_and_the_log_has_it_once(params string[] more)
    {
        using ServeProcess server = ServeProcess.StartOverRanks(Cli.Program, ["--ranks", "3", .. more], "--isa", "reference");
        using HttpClient http = new() { BaseAddress = await server.AddressAsync };
        SortedDictionary<int, int> ranks = RankChildren.WaitFor(server.Id, 3);
        using HttpResponseMessage streamed = await AskAsync(http, stream: true);
        using StreamReader events = new(await streamed.Content.ReadAsStreamAsync(Stop));
        Assert.StartsWith("data: ", await events.ReadLineAsync(Stop), StringComparison.Ordinal);
        Task<HttpResponseMessage> asked = AskAsync(http, stream: false);
        await UntilTwoRunAsync(http);
        Assert.Equal(0, Kill(ranks[1], SigKill));

        using HttpResponseMessage whole = await asked;
        AssertIsError(await whole.Content.ReadAsStringAsync(Stop));
        Assert.Equal(HttpStatusCode.InternalServerError, whole.StatusCode);
        string[] last = (await events.ReadToEndAsync(Stop)).Split('\n', StringSplitOptions.RemoveEmptyEntries)[^2..];
        AssertIsError(last[0]["data: ".Length..]);
        Assert.Equal("data: [DONE]", last[1]);
        Assert.Equal(1, await server.WaitForExitAsync(Stop));
        Assert.Equal(["[rank 0] fable at", $"error: {Killed}"], server.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(" http")[0]));
        RankChildren.WaitForEnd(ranks.Values);
    }

    [Theory]
    [InlineData("ucx")]
    [InlineData("inproc")]
    public void Without_standard_output_a_launch_says_so_once(string transport)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "a shell's descriptors");
        CliResult result = Cli.RunProgram("bash", ["-c", $"exec dotnet '{Cli.Program}' launch --ranks 3 --transport {transport} -- generate Once --max-tokens 3 >&-"]);
        string rank = transport == "ucx" ? "[rank 0] " : "";
        Assert.Equal((1, $"{rank}error: standard output is closed: there is no place for what the command writes\n"), (result.Code, result.Error));
    }

    [Theory]
    [InlineData("ucx")]
    [InlineData("inproc")]
    public void Whoever_has_read_enough_ends_a_launch_that_has_not_failed(string transport)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "pipes of a shell");
        string generate = string.Join(' ', GenerateForLong.Select(word => $"'{word}'"));
        CliResult result = Cli.RunProgram("bash", ["-c", $"set -o pipefail; dotnet '{Cli.Program}' launch --ranks 3 --transport {transport} -- {generate} | head -c 1"]);
        Assert.Equal((0, 1, ""), (result.Code, result.Output.Length, result.Error));
    }

    [Fact]
    public async Task Ranks_that_are_killed_while_they_start_leave_no_shared_memory()
    {
        const string Memory = "/dev/shm";
        Assert.SkipUnless(Directory.Exists(Memory), "Linux's shared memory");
        HashSet<string> before = Entries();
        for (int run = 0; run < 3; run++)
        {
            using Process launch = Cli.Start("dotnet", [Cli.Program, "launch", "--ranks", "4", "--", .. GenerateForLong]);
            SortedDictionary<int, int> ranks = RankChildren.WaitFor(launch.Id, 4);

            // UCX unlinks a file as soon as it has touched all of it. Where that moment is missed, the first token ends the search.
            Task<int> generated = launch.StandardOutput.ReadAsync(new char[1], 0, 1);
            while (!generated.IsCompleted && !Entries().Except(before).Any(path => path.Contains("ucx_shm", StringComparison.Ordinal)))
            {
            }

            foreach (int rank in ranks.Values)
            {
                _ = Kill(rank, SigKill);
            }

            await generated;
            Assert.Equal(1, Cli.Finish(launch).Code);
            RankChildren.WaitForEnd(ranks.Values);
        }

        Assert.Empty(Entries().Except(before));

        static HashSet<string> Entries() => [.. Directory.EnumerateFileSystemEntries(Memory, "*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true })];
    }

    [Fact]
    public async Task A_second_signal_ends_a_server_of_threads_at_once()
    {
        using ServeProcess server = ServeProcess.StartOverRanks(Cli.Program, ["--ranks", "2", "--transport", "inproc"], "--isa", "reference");
        using HttpClient http = new() { BaseAddress = await server.AddressAsync };
        using HttpResponseMessage streamed = await AskAsync(http, stream: true);
        using StreamReader events = new(await streamed.Content.ReadAsStreamAsync(Stop));
        Assert.StartsWith("data: ", await events.ReadLineAsync(Stop), StringComparison.Ordinal);
        Assert.Equal(0, Kill(server.Id, SigInt));
        while (!server.Log.Contains("finishing what was accepted", StringComparison.Ordinal))
        {
            await Task.Delay(10, Stop);
        }

        // Without it the answer is finished, and the code 0.
        Assert.Equal(0, Kill(server.Id, SigInt));
        Assert.Equal(130, await server.WaitForExitAsync(Stop));
    }

    [Theory]
    [InlineData(100, "serve --port 0")]
    [InlineData(100, "launch --ranks 2 --transport inproc -- generate Once --max-tokens 1")]
    [InlineData(210, "launch --ranks 100 -- generate Once --max-tokens 1")]
    public void Too_many_open_files_are_a_sentence_that_names_the_limit(int limit, string command)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "ulimit");
        CliResult result = Cli.RunProgram("bash", ["-c", $"ulimit -n {limit}; exec dotnet '{Cli.Program}' {command}"]);
        Assert.Equal((1, ""), (result.Code, result.Output));
        Assert.Equal($"error: too many open files: this process may have {limit} at a time; raise the limit, such as by 'ulimit -n 8192', and start again\n", result.Error);
    }

    private static void AssertIsError(string json)
    {
        JsonNode error = JsonNode.Parse(json)!["error"]!;
        Assert.Equal(("server_error", "engine_failed", $"a step of the engine failed: {Killed}"), ((string?)error["type"], (string?)error["code"], (string?)error["message"]));
    }

    private static Task<HttpResponseMessage> AskAsync(HttpClient http, bool stream)
    {
        StringContent content = new(
            $$"""{"model": "fable", "prompt": "Once upon a time", "max_tokens": 500, "stream": {{(stream ? "true" : "false")}}, "ignore_eos": true}""", Encoding.UTF8, "application/json");
        return http.SendAsync(new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = content }, HttpCompletionOption.ResponseHeadersRead, Stop);
    }

    private static async Task UntilTwoRunAsync(HttpClient http)
    {
        while (!(await http.GetStringAsync(new Uri("/metrics", UriKind.Relative), Stop)).Split('\n')
            .Any(line => line.StartsWith("conclave_num_requests_running", StringComparison.Ordinal) && line.Split(' ')[1].StartsWith('2')))
        {
            await Task.Delay(20, Stop);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
