using System.Text.RegularExpressions;
using Conclave.Testing;

namespace Conclave.Transport.Tests;

[Collection("UCX")]
public sealed partial class UcxProcessTests(ITestOutputHelper output)
{
    [Fact]
    public void Processes_of_one_host_exchange_messages()
    {
        using TemporaryFolder folder = new();
        ProbeProcess[] ranks = [.. Enumerable.Range(0, 3).Select(rank => ProbeProcess.Rank(folder, rank, "0,0,0", "exchange", "200", "20000"))];
        try
        {
            Array.ForEach(ranks, rank => rank.WaitForSuccess());
        }
        finally
        {
            Array.ForEach(ranks, rank => rank.Dispose());
        }
    }

    [Fact]
    public void A_killed_process_is_reported_by_the_others()
    {
        // Without keepalive UCX takes 20 s, and without error handling for shared memory it never tells. With it a second is enough; the rest is for a machine that does much else.
        TwoOfThree times = new(TimeSpan.FromSeconds(5));
        while (!times.AreDecided)
        {
            times.Add(KillOneOfThree());
        }

        Assert.True(times.InTime, $"reported after {times}");
    }

    private TimeSpan KillOneOfThree()
    {
        using TemporaryFolder folder = new();
        ProbeProcess[] ranks = [.. Enumerable.Range(0, 3).Select(rank => ProbeProcess.Rank(folder, rank, "0,0,0", "watch"))];
        try
        {
            Array.ForEach(ranks, rank => rank.WaitFor("ready"));
            ranks[1].Kill();
            TimeSpan first = ranks[0].WaitFor("1 cannot be reached any more");
            TimeSpan both = first + ranks[2].WaitFor("1 cannot be reached any more");
            output.WriteLine($"reported after {first.TotalMilliseconds:0} ms and at most {both.TotalMilliseconds:0} ms");
            ranks[0].Kill();
            ranks[2].WaitForSuccess();
            Assert.Equal(1, Occurrences(ranks[2].Output, "1 cannot"));
            Assert.Equal(1, Occurrences(ranks[2].Output, "0 cannot"));
            return both;
        }
        finally
        {
            Array.ForEach(ranks, rank => rank.Dispose());
        }
    }

    [Fact]
    public void A_process_that_UCX_has_no_way_to_is_lost_and_not_waited_for()
    {
        using TemporaryFolder folder = new();
        string[] ways = ["tcp,self", "posix,self"];
        ProbeProcess[] ranks = [.. ways.Select((way, rank) => ProbeProcess.RankWithWays(way, folder, rank, "0,0", "exchange", "1", "8"))];
        try
        {
            Assert.All(ranks, (rank, number) =>
            {
                rank.WaitForFailure();
                Assert.Contains($"rank {number}: rank {1 - number} could not be reached: ", rank.Errors);
            });
        }
        finally
        {
            Array.ForEach(ranks, rank => rank.Dispose());
        }
    }

    [Fact]
    public void Hosts_exchange_messages_over_their_links_and_the_counters_know_how_many_bytes()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "scripts/hosts makes network namespaces, which only root may");
        using TemporaryFolder folder = new();
        string rank = $"exec dotnet '{ProbeProcess.Probe}' '{folder.Path}' $CONCLAVE_HOST 0,1 exchange 200 65536";
        using ProbeProcess hosts = new(Path.Combine(Repository.Root, "scripts", "hosts"), "2", "--rate", "1gbit", "--", "sh", "-c", rank);
        hosts.WaitForSuccess();

        long[] counted = [.. hosts.Output.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(long.Parse)];
        Assert.Equal(4, counted.Length);
        Match[] links = [.. Link().Matches(hosts.Errors).Cast<Match>()];
        Assert.Equal(2, links.Length);
        output.WriteLine($"counters: {string.Join(' ', counted)}; {hosts.Errors}");

        // Both sent the same messages; credits go either way.
        long most = (long)(Math.Max(counted[0], counted[2]) * 1.06);
        Assert.All(links, link =>
        {
            Assert.InRange(long.Parse(link.Groups["sent"].Value), 200 * 65536, most);
            Assert.InRange(long.Parse(link.Groups["received"].Value), 200 * 65536, most);
        });
    }

    [Fact]
    public void What_a_killed_script_leaves_the_next_one_removes()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "scripts/hosts makes network namespaces, which only root may");
        string script = Path.Combine(Repository.Root, "scripts", "hosts");
        using ProbeProcess killed = new(script, "1", "--", "sh", "-c", "echo up; exec sleep 600");
        killed.WaitFor("up");
        killed.Kill();
        string left = $"/run/netns/conclave-{killed.Id}-0";
        Assert.True(File.Exists(left));
        using ProbeProcess next = new(script, "1", "--", "true");
        next.WaitForSuccess();
        Assert.False(File.Exists(left));
    }

    private static int Occurrences(string text, string part) => text.Split(part).Length - 1;

    [GeneratedRegex("host [01]: sent (?<sent>[0-9]+) bytes, received (?<received>[0-9]+) bytes", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Link();
}
