using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>Commands over many ranks, as processes.</summary>
[Collection(nameof(UndisturbedTests))]
public sealed partial class LaunchTests(ITestOutputHelper output)
{
    // Drawn tokens. That their probabilities have the same bits is for LaunchServeTests and Parallel.Tests.
    private static readonly string[] Generate = ["generate", "Once upon a time", "--seed", "11", "--max-tokens", "24", "--ignore-eos"];
    private static readonly string[] GenerateForLong = ["generate", "Once upon a time", "--isa", "reference", "--max-tokens", "1000", "--ignore-eos"];

    private const string NeedsRoot = "scripts/hosts makes network namespaces, which only root may";

    /// <summary>A launch is over so soon after the death of a rank.</summary>
    internal static readonly TimeSpan EndsWithin = TimeSpan.FromSeconds(2);

    public static TheoryData<string, string> Mistakes => new()
    {
        { "--ranks 0 -- generate a", "--ranks 0: 1 to 512 are expected" },
        { "--ranks 1000 -- generate a", "--ranks 1000: 1 to 512 are expected" },
        { "--ranks 2 --hosts 3 -- generate a", "--hosts 3: 1 to 2 are expected, a rank or more on each" },
        { "--ranks 2 --hosts 0 -- generate a", "--hosts 0: 1 to 2 are expected" },
        { "--ranks 2 --dp 3 -- generate a", "--dp 3: 1 to 2 are expected" },
        { "--ranks 2 --dp 0 -- generate a", "--dp 0: 1 to 2 are expected" },
        { "--ranks 5 --dp 2 --tp 3 -- generate a", "--tp 3: 1 to 2 are expected, with 5 ranks and 2 groups" },
        { "--ranks 5 --tp 0 -- generate a", "--tp 0: 1 to 5 are expected" },
        { "--ranks 6 --hosts 2 --tp 2 --dp 3 -- generate a", "--dp 3 --tp 2: a group must be on one host, and 6 ranks on 2 hosts have room for 2 groups of 2" },
        { "--ranks 4 --hosts 4 --tp 2 -- generate a", "4 ranks on 4 hosts have room for 0 groups of 2" },
        { "--ranks 3 --tp 3 --transport inproc -- generate a", "attention heads, which 3 ranks cannot share evenly" },
        { "--ranks 3 --tp 3 -- generate a", "attention heads, which 3 ranks cannot share evenly" },
        { "--ranks 2 --model /no/such/folder -- generate a", "/no/such/folder: there is no such folder" },
        { "--ranks 2 --transport smoke -- generate a", "--transport smoke: ucx or inproc is expected" },
        { "--ranks 2 --exchange most -- generate a", "--exchange most: exact, bf16, fp8, fp8-both or flat is expected" },
        { "--ranks 3 --slots 64 -- generate a", "--slots 64: all ranks have the same number, so a multiple of 3 up to 65535 is expected" },
        { "--ranks 2 --slots 0 -- generate a", "--slots 0: " },
        { "--ranks 2 --slots 32 --transport inproc -- generate a", "32 slots for 64 experts; each expert needs at least one" },
        { "--ranks 2 --slots 130 -- generate a", "65 slots on each rank for 64 experts; more would hold an expert twice" },
        { "--ranks 2 --balance-window 5 -- generate a", "--balance-window 5: experts are moved between slots; say with --slots how many there are" },
        { "--ranks 2 --move-budget 5 -- generate a", "--move-budget 5: experts are moved between slots; say with --slots how many there are" },
        { "--ranks 2 --slots 64 --move-budget -5 -- generate a", "--move-budget -5: at least 0 is expected" },
        { "--ranks 2 --slots 64 --balance-window 0 -- generate a", "--balance-window 0: at least 1 is expected" },
        { "--ranks 2 --overlap maybe -- generate a", "--overlap maybe: on or off is expected" },
        { "--ranks 2 -- tokenize a", "launch runs generate, serve and bench model over ranks, not 'tokenize a'" },
        { "--ranks 2 -- launch --ranks 2 -- generate a", "not 'launch --ranks'" },
        { "--ranks 2 -- generate a --bogus", "--bogus" },
        { "--ranks 2 -- generate a --temperature -4", "temperature: -4 is out of range" },
        { "--ranks 2 --transport inproc -- generate a --temperature -4", "temperature: -4 is out of range" },
        { "--ranks 2", "Required argument missing" },
        { "-- generate a", "--ranks" },
    };

    [Theory]
    [InlineData("ucx", 2)]
    [InlineData("ucx", 3)]
    [InlineData("ucx", 5)]
    [InlineData("inproc", 2)]
    [InlineData("inproc", 3)]
    [InlineData("inproc", 5)]
    public void Ranks_write_what_one_writes(string transport, int ranks)
    {
        CliResult alone = Cli.Run(Generate);
        CliResult launched = Cli.Run(["launch", "--ranks", $"{ranks}", "--transport", transport, "--", .. Generate]);
        Assert.Equal((0, alone.Output, ""), (launched.Code, launched.Output, launched.Error));
    }

    [Theory]
    [InlineData("--ranks 3 --dp 2")]
    [InlineData("--ranks 2 --tp 2")]
    [InlineData("--ep 5 --dp 2 --tp 2 --overlap on")]
    [InlineData("--ranks 8 --tp 8 --slots 80")]
    public void Ranks_that_divide_requests_or_attention_write_what_one_writes(string division)
    {
        CliResult launched = Cli.Run(["launch", .. division.Split(' '), "--", .. Generate]);
        Assert.Equal((0, Cli.Run(Generate).Output, ""), (launched.Code, launched.Output, launched.Error));
    }

    [Fact]
    public void Steps_in_two_micro_batches_write_what_one_writes()
    {
        // A prompt of 32 tokens and more, from which steps are divided.
        string[] generate = ["generate", string.Concat(Enumerable.Repeat("Once upon a time there was a fox. ", 8)), .. Generate[2..]];
        CliResult launched = Cli.Run(["launch", "--ranks", "3", "--overlap", "on", "--", .. generate]);
        Assert.Equal((0, Cli.Run(generate).Output, ""), (launched.Code, launched.Output, launched.Error));
    }

    [Fact]
    public void Ranks_that_wait_for_the_next_step_have_sent_what_they_had()
    {
        // UCX's queue in shared memory is full again and again; what does not fit is sent when its sender makes progress. So it is with many ranks of one host.
        CliResult result = Cli.Run(["launch", "--ranks", "6", "--", .. Generate], environment: [("UCX_POSIX_FIFO_SIZE", "4"), ("UCX_SYSV_FIFO_SIZE", "4")]);
        Assert.Equal((0, Cli.Run(Generate).Output, ""), (result.Code, result.Output, result.Error));
    }

    [Theory]
    [InlineData("bf16")]
    [InlineData("fp8")]
    [InlineData("fp8-both")]
    [InlineData("flat")]
    public void Fast_modes_repeat_themselves(string exchange)
    {
        string[] arguments = ["launch", "--ranks", "4", "--hosts", "2", "--transport", "inproc", "--exchange", exchange, "--", .. Generate];
        CliResult first = Cli.Run(arguments);
        Assert.Equal((0, ""), (first.Code, first.Error));
        Assert.Equal(first.Output, Cli.Run(arguments).Output);
    }

    [Fact]
    public void The_report_tells_the_memory_of_each_process()
    {
        CliResult result = Cli.Run(["launch", "--ranks", "3", "--report", "--model", Testing.Repository.Fable, "--", .. Generate]);
        Assert.Equal(0, result.Code);
        string[] lines = result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["layer 1", "layer 2", "layer 3", "layer 4", "total", "rank 0", "rank 1", "rank 2"], lines.Select(line => line[..line.IndexOf(':')]));
        Assert.All(lines[5..], line => Assert.Matches("waited [0-9.]+ s for others; [1-9][0-9.]+ MB resident, [1-9][0-9.]* MB without files", line));

        // The leader, too, is asked while it has its weights: it has what the others have and more.
        double[] resident = [.. lines[5..].Select(line => double.Parse(line.Split("; ")[1].Split(' ')[0], CultureInfo.InvariantCulture))];
        Assert.InRange(resident[0], resident[1..].Max(), 4 * resident[1..].Max());
    }

    [Theory]
    [InlineData(2, 80)]
    [InlineData(3, 66)]
    [InlineData(5, 65, "--move-budget", "10")]
    public void Ranks_whose_experts_move_write_what_one_writes(int ranks, int slots, params string[] more)
    {
        string[] generate = ["generate", "Once upon a time", "--seed", "11", "--max-tokens", "400", "--ignore-eos"];
        CliResult launched = Cli.Run(["launch", "--ranks", $"{ranks}", "--slots", $"{slots}", "--balance-window", "20", "--report", .. more, "--", .. generate]);
        output.WriteLine(launched.Error);
        Assert.Equal((0, Cli.Run(generate).Output), (launched.Code, launched.Output));
        Assert.Matches(@"\nbalancing: [1-9][0-9]* epochs, [0-9]*[1-9][0-9.]* MB of experts moved; ", launched.Error);
    }

    [Theory]
    [InlineData("--dp", "1")]
    [InlineData("--dp", "2")]
    [InlineData("--tp", "2")]
    public void Benchmarks_run_over_ranks(string division, string ranks)
    {
        CliResult result = Cli.Run(
            "launch", "--ranks", "2", division, ranks, "--transport", "inproc", "--model", Testing.Repository.Fable, "--", "bench", "model", "--prefill", "16", "--decode", "0", "--steps", "2", "--repeat", "1", "--json");
        Assert.Equal((0, ""), (result.Code, result.Error));
        JsonElement json = JsonDocument.Parse(result.Output).RootElement;
        Assert.Equal(2, json.GetProperty("workloads").GetArrayLength());
        int Setting(string name) => json.GetProperty(name).GetInt32();
        Assert.Equal((2, 1, division == "--dp" ? int.Parse(ranks) : 1, division == "--tp" ? 2 : 1), (Setting("ranks"), Setting("hosts"), Setting("dp"), Setting("tp")));
    }

    [Fact]
    public void A_comparison_says_that_ranks_were_not_as_many()
    {
        using Testing.TemporaryFolder folder = new();
        string[] bench = ["bench", "model", Testing.Repository.Fable, "--prefill", "16", "--decode", "", "--repeat", "1"];
        CliResult launched = Cli.Run(["launch", "--ranks", "2", "--tp", "2", "--transport", "inproc", "--", .. bench, "--json"]);
        CliResult alone = Cli.Run([.. bench, "--compare", folder.Write("old.json", launched.Output)]);
        Assert.Equal((0, ""), (alone.Code, alone.Error));
        Assert.Contains("  not the same ranks: 2 then, 1 now", alone.Lines);
        Assert.Contains("  not the same tp: 2 then, 1 now", alone.Lines);
        Assert.DoesNotContain(alone.Lines, line => line.Contains("not the same dp", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Mistakes_are_one_sentence(string arguments, string named)
    {
        CliResult result = Cli.Run(["launch", .. arguments.Split(' ')]);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.Contains(named, result.Error);
        Assert.DoesNotContain("   at ", result.Error);
    }

    [Fact]
    public void A_killed_rank_ends_the_launch_in_time_with_its_name() => Assert.Equal("error: rank 2 was killed by signal 9 (SIGKILL)\n", KillRank(ranks: 3, victim: 2));

    [Theory]
    [InlineData("ucx")]
    [InlineData("inproc")]
    public void Interrupting_ends_all_ranks(string transport)
    {
        using Process launch = Cli.Start("dotnet", [Cli.Program, "launch", "--ranks", "3", "--transport", transport, "--", .. GenerateForLong]);
        Assert.NotEqual(-1, launch.StandardOutput.Read());
        SortedDictionary<int, int> ranks = RankChildren.WaitFor(launch.Id, transport == "ucx" ? 3 : 0);

        // As a terminal does: to the launcher and to all that it has started.
        foreach (int process in ranks.Values.Append(launch.Id))
        {
            using Process kill = Process.Start("kill", ["-INT", $"{process}"]);
        }

        CliResult result = Cli.Finish(launch);
        Assert.Equal((130, ""), (result.Code, result.Error));
        RankChildren.WaitForEnd(ranks.Values);
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    [InlineData("INT", 130, "--hosts", "2")]
    public void A_second_signal_kills_ranks_that_do_not_answer(string signal, int code, params string[] more)
    {
        Assert.SkipUnless(more.Length == 0 || Environment.IsPrivilegedProcess, NeedsRoot);
        TwoOfThree times = new(2 * EndsWithin);
        while (!times.AreDecided)
        {
            times.Add(Kill());
        }

        Assert.True(times.InTime, $"all was gone {times} after the second signal");

        TimeSpan Kill()
        {
            using TemporaryFolder temporary = new();
            using Process launch = Cli.Start("dotnet", [Cli.Program, "launch", "--ranks", "3", .. more, "--", .. GenerateForLong], [("TMPDIR", temporary.Path)]);
            Assert.NotEqual(-1, launch.StandardOutput.Read());
            SortedDictionary<int, int> ranks = RankChildren.WaitFor(launch.Id, 3);
            try
            {
                Signal("STOP", ranks[1]);
                Signal(signal, launch.Id);
                Assert.False(launch.WaitForExit(TimeSpan.FromSeconds(1)), "the first signal asks");
                long start = Stopwatch.GetTimestamp();
                Signal(signal, launch.Id);
                CliResult result = Cli.Finish(launch);
                output.WriteLine($"ended {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms after the second signal");
                Assert.Equal(code, result.Code);
                RankChildren.WaitForEnd(ranks.Values);
                Assert.Empty(Directory.GetDirectories(temporary.Path, "conclave-*"));
                return Stopwatch.GetElapsedTime(start);
            }
            finally
            {
                // A stopped one would be there for ever.
                Signal("KILL", ranks[1]);
            }
        }
    }

    private static void Signal(string signal, int process)
    {
        using Process kill = Process.Start(new ProcessStartInfo("kill", [$"-{signal}", $"{process}"]) { RedirectStandardError = true, UseShellExecute = false })!;
        kill.WaitForExit();
    }

    /// <summary>One that hangs before it is there, or in a step.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void One_signal_ends_a_launch_of_which_a_rank_hangs(bool atStart)
    {
        using Process launch = Cli.Start("dotnet", [Cli.Program, "launch", "--ranks", "3", "--", .. GenerateForLong]);
        if (!atStart)
        {
            Assert.NotEqual(-1, launch.StandardOutput.Read());
        }

        SortedDictionary<int, int> ranks = RankChildren.WaitFor(launch.Id, 3);
        try
        {
            Signal("STOP", ranks[1]);
            Signal("INT", launch.Id);

            // It would be missed after 30 seconds, a rank that is not there after five minutes.
            Assert.True(launch.WaitForExit(TimeSpan.FromSeconds(25)), "one signal does not end it");
            Assert.Equal(130, Cli.Finish(launch).Code);
            RankChildren.WaitForEnd(ranks.Values);
        }
        finally
        {
            Signal("KILL", ranks[1]);
        }
    }

    [Fact]
    public void Ranks_of_hosts_have_the_launchers_standard_input()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, NeedsRoot);
        string[] generate = ["generate", "-", "--max-tokens", "8", "--temperature", "0"];
        CliResult launched = Cli.Run(["launch", "--ranks", "2", "--hosts", "2", "--", .. generate], input: "The king said");
        Assert.Equal((0, Cli.Run(generate, input: "The king said").Output), (launched.Code, launched.Output));
    }

    [Fact]
    public void A_temporary_folder_that_cannot_be_used_is_named()
    {
        CliResult result = Cli.Run(["launch", "--ranks", "2", "--", .. Generate], environment: [("TMPDIR", "/proc/no")]);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith("error: TMPDIR: no folder for the ranks' socket can be made in /proc/no", result.Error);
    }

    [Fact]
    public void A_killed_rank_leaves_nothing_in_the_temporary_folder()
    {
        using TemporaryFolder temporary = new();
        using Process launch = Cli.Start("dotnet", [Cli.Program, "launch", "--ranks", "3", "--", .. GenerateForLong], [("TMPDIR", temporary.Path)]);
        Assert.NotEqual(-1, launch.StandardOutput.Read());
        SortedDictionary<int, int> ranks = RankChildren.WaitFor(launch.Id, 3);
        Signal("KILL", ranks[1]);
        Assert.Equal(1, Cli.Finish(launch).Code);
        RankChildren.WaitForEnd(ranks.Values);
        Assert.DoesNotContain(Directory.GetFileSystemEntries(temporary.Path), path => ranks.Values.Any(rank => path.Contains($"-{rank}-", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("-INT", false, 130)]
    [InlineData("-TERM", true, 143)]
    public void A_launch_that_is_stopped_while_its_ranks_start_has_not_failed(string signal, bool toRanks, int code)
    {
        using Process launch = Cli.Start("setsid", ["dotnet", Cli.Program, "launch", "--ranks", "3", "--", .. GenerateForLong]);
        SortedDictionary<int, int> ranks = RankChildren.WaitFor(launch.Id, 3);

        // A terminal signals the group of processes, a service's manager all that there are; ranks first is the worse order.
        string[] stopped = toRanks ? [.. ranks.Values.Append(launch.Id).Select(process => $"{process}")] : [$"-{launch.Id}"];
        using Process kill = Process.Start("kill", [signal, "--", .. stopped]);
        CliResult result = Cli.Finish(launch);
        Assert.Equal((code, ""), (result.Code, result.Output.Trim()));
        Assert.True(toRanks || result.Error.Length == 0, result.Error);
        RankChildren.WaitForEnd(ranks.Values);
    }

    [Fact]
    public void Ranks_do_not_outlive_a_killed_launcher_nor_its_folder_the_next_one()
    {
        using TemporaryFolder temporary = new();
        (string, string)[] environment = [("TMPDIR", temporary.Path)];
        using Process stopped = Begin();
        string[] used = Folders();
        Assert.Single(used);
        using (Process kill = Process.Start("kill", ["-STOP", $"{stopped.Id}"]))
        {
            kill.WaitForExit();
        }

        using Process killed = Begin();
        Kill(killed);
        string[] memory = [.. Folders().Select(folder => Path.Combine("/dev/shm", Path.GetFileName(folder)))];
        Assert.Equal(2, memory.Count(Directory.Exists));

        // The next launch's own folder is gone as well; that of one that is there is not, though it does not answer.
        Assert.Equal((0, ""), Launch());
        Assert.Equal(used, Folders());
        Kill(stopped);
        Assert.Equal((0, ""), Launch());
        Assert.Empty(Folders());
        Assert.DoesNotContain(memory, Directory.Exists);

        Process Begin()
        {
            Process launch = Cli.Start("dotnet", [Cli.Program, "launch", "--ranks", "3", "--", .. GenerateForLong], environment);
            Assert.NotEqual(-1, launch.StandardOutput.Read());
            return launch;
        }

        void Kill(Process launch)
        {
            SortedDictionary<int, int> ranks = RankChildren.WaitFor(launch.Id, 3);
            launch.Kill();
            RankChildren.WaitForEnd(ranks.Values);
        }

        string[] Folders() => Directory.GetDirectories(temporary.Path, "conclave-*");

        (int, string) Launch()
        {
            CliResult result = Cli.Run(["launch", "--ranks", "2", "--transport", "inproc", "--", .. Generate], environment: environment);
            return (result.Code, result.Error);
        }
    }

    [Fact]
    public void Hosts_of_one_machine_write_what_one_process_writes()
    {
        SkipUnlessRoot();
        string alone = Cli.Run(Generate).Output;
        CliResult launched = Cli.Run(["launch", "--ranks", "5", "--hosts", "2", "--report", "--", .. Generate]);
        Assert.Equal((0, alone), (launched.Code, launched.Output));

        // What crossed from host to host went over their links.
        (double crossed, double[] sent) = Traffic(launched.Error);
        Assert.InRange(crossed, 1, sent.Sum());
    }

    [Theory]
    [InlineData(2, "exact")]
    [InlineData(2, "bf16")]
    [InlineData(4, "fp8")]
    public void Little_more_than_the_exchange_goes_over_the_links_of_hosts(int ranks, string exchange)
    {
        SkipUnlessRoot();
        string prompt = string.Concat(Enumerable.Repeat("Once upon a time there was a fox. ", 90));
        CliResult launched = Cli.Run(["launch", "--ranks", $"{ranks}", "--hosts", "2", "--exchange", exchange, "--report", "--", "generate", prompt, "--max-tokens", "1"]);
        Assert.Equal(0, launched.Code);

        // Headers of TCP and UCX, credits, and what ranks say to each other at the start.
        (double crossed, double[] sent) = Traffic(launched.Error);
        Assert.InRange(sent.Sum(), crossed, crossed * 1.06);
    }

    [Fact]
    public void A_rank_killed_on_a_host_ends_the_launch_in_time_with_its_name()
    {
        SkipUnlessRoot();
        KillRank(ranks: 4, victim: 3, "--hosts", "2");
    }

    /// <summary>Ends the launch by SIGKILL of one rank.</summary>
    /// <returns>What was written to standard error.</returns>
    private string KillRank(int ranks, int victim, params string[] more)
    {
        string error = "";
        TwoOfThree times = new(EndsWithin);
        while (!times.AreDecided)
        {
            using Process launch = Cli.Start("dotnet", [Cli.Program, "launch", "--ranks", $"{ranks}", .. more, "--", .. GenerateForLong]);
            Assert.NotEqual(-1, launch.StandardOutput.Read());
            SortedDictionary<int, int> processes = RankChildren.WaitFor(launch.Id, ranks);
            long start = Stopwatch.GetTimestamp();
            using (Process process = Process.GetProcessById(processes[victim]))
            {
                process.Kill();
            }

            CliResult result = Cli.Finish(launch);
            times.Add(Stopwatch.GetElapsedTime(start));
            Assert.Equal(1, result.Code);
            Assert.EndsWith($"error: rank {victim} was killed by signal 9 (SIGKILL)\n", result.Error);
            error = result.Error;
            RankChildren.WaitForEnd(processes.Values);
        }

        output.WriteLine($"ended {times} after the rank");
        Assert.True(times.InTime, $"the launch ended {times} after the rank");
        return error;
    }

    /// <summary>What --report and scripts/hosts have counted.</summary>
    /// <returns>Bytes that exchanges sent to other hosts, and all that each host sent.</returns>
    internal static (double Crossed, double[] Sent) Traffic(string report)
    {
        double crossed = double.Parse(CrossHost().Match(report).Groups["megabytes"].Value) * 1e6;
        double[] sent = [.. Sent().Matches(report).Select(match => double.Parse(match.Groups["bytes"].Value))];
        TestContext.Current.TestOutputHelper!.WriteLine($"{crossed} of {string.Join('+', sent)} bytes on the links are the exchange's");
        return (crossed, sent);
    }

    /// <summary>Skips a test that makes hosts where that may not be.</summary>
    internal static void SkipUnlessRoot() => Assert.SkipUnless(Environment.IsPrivilegedProcess, NeedsRoot);

    [GeneratedRegex("total: .*cross host (?<megabytes>[0-9.]+) MB", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex CrossHost();

    [GeneratedRegex("host [0-9]+: sent (?<bytes>[0-9]+) bytes", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Sent();
}
