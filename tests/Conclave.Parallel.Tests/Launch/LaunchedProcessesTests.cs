using System.Collections.Concurrent;
using System.Runtime.Versioning;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>Ranks and hosts as child processes, with a shell in the place of the program.</summary>
[SupportedOSPlatform("linux")]
public sealed class LaunchedProcessesTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    // Whoever is told takes its time: the processes must not be let go of before.
    private static readonly TimeSpan Slowly = TimeSpan.FromMilliseconds(200);

    [Fact]
    public void Each_rank_that_ends_is_told_with_its_code_and_its_lines_are_passed_on()
    {
        ConcurrentDictionary<int, int> ended = [];
        using StringWriter log = new();
        using (RankProcesses ranks = Start("echo \"of $5\" >&2; exit $((40 + $5))", log, ended))
        {
            Assert.True(ranks.WaitForExit(Patience, TestContext.Current.CancellationToken));
        }

        Assert.Equal([(0, 40), (1, 41), (2, 42)], Told(ended));
        Assert.Equal(["[rank 0] of 0", "[rank 1] of 1", "[rank 2] of 2"], log.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries).Order());
    }

    [Theory]
    [InlineData("exec sleep 600", 137)]
    [InlineData("exit 3", 3)]
    public void Whoever_ends_the_ranks_has_been_told_of_each(string script, int code)
    {
        ConcurrentDictionary<int, int> ended = [];
        Start(script, TextWriter.Null, ended, Slowly).Dispose();
        Assert.All(Told(ended), rank => Assert.True(rank.Code == code || rank.Code == 137, $"{rank}"));
        Assert.Equal([0, 1, 2], Told(ended).Select(rank => rank.Rank));
    }

    [Fact]
    public void What_killed_ranks_share_in_memory_goes_with_the_launch()
    {
        string shared = $"ucx_shm_test_{Guid.NewGuid():n}";
        try
        {
            using (ControlFolder folder = new())
            {
                ConcurrentDictionary<int, int> ended = [];
                using StringWriter log = new();
                using RankProcesses ranks = Start($"touch ${{UCX_POSIX_DIR:-/dev/shm}}/{shared}_$5; kill -KILL $$", log, ended, socketPath: folder.SocketPath);
                Assert.True(ranks.WaitForExit(Patience, TestContext.Current.CancellationToken));
                Assert.Equal(3, Left().Length);
            }

            Assert.Empty(Left());
        }
        finally
        {
            Array.ForEach(Left(), File.Delete);
        }

        string[] Left() => Directory.GetFiles("/dev/shm", $"{shared}_*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true });
    }

    [Theory]
    [InlineData("exec sleep 600", 143)]
    [InlineData("exit 3", 3)]
    public void Whoever_ends_the_hosts_has_been_told(string script, int code)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "hosts of one machine are network namespaces, which only root may make");
        string path = Path.Combine(Path.GetTempPath(), $"conclave-test-{Guid.NewGuid():n}");
        File.WriteAllText(path, $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        int told = -1;
        new HostsScript(path, 2, ["program"], "socket", ["command"], ended =>
        {
            Thread.Sleep(Slowly);
            told = ended;
        }).Dispose();
        File.Delete(path);
        Assert.True(told == code || told == 143, $"{told}");
    }

    [Fact]
    public void Where_setsid_is_missing_a_sentence_says_what_to_install()
    {
        string path = Environment.GetEnvironmentVariable("PATH")!;
        Environment.SetEnvironmentVariable("PATH", AppContext.BaseDirectory);
        try
        {
            UserErrorException missing = Assert.Throws<UserErrorException>(() => Start("exit", TextWriter.Null, []));
            Assert.Equal("setsid: ranks are started with this command, and it was not found in PATH; install util-linux", missing.Message);
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", path);
        }
    }

    private static RankProcesses Start(string script, TextWriter log, ConcurrentDictionary<int, int> ended, TimeSpan delay = default, string socketPath = "socket") => new(
        ["/bin/sh", "-c", script, "sh"],
        socketPath,
        [0, 1, 2],
        areAll: true,
        ["command"],
        log,
        (rank, code) =>
        {
            Thread.Sleep(delay);
            ended[rank] = code;
        });

    private static IEnumerable<(int Rank, int Code)> Told(ConcurrentDictionary<int, int> ended) => ended.OrderBy(rank => rank.Key).Select(rank => (rank.Key, rank.Value));
}
