using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>What the coordinator makes of ranks that die, lie or fall silent.</summary>
public sealed partial class CoordinatorTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private static readonly ModelOrder Order = new("/m", "reference", 1, 512, 1, ElementFormat.F32, Experts: 3);

    private readonly ConcurrentQueue<string> _refused = [];
    private readonly Dictionary<ControlChannel, Socket> _sockets = [];
    private Coordinator? _coordinator;

    [Fact]
    public void A_rank_that_was_killed_is_named_with_its_signal()
    {
        ControlChannel[] ranks = Meet(3);
        ranks[2].Dispose();
        _coordinator!.RankEnded(2, 137);
        AssertFailure(2, "rank 2 was killed by signal 9 (SIGKILL)");
        AssertAborted(ranks[0], "rank 2 was killed by signal 9 (SIGKILL)");
    }

    [Fact]
    public void A_rank_that_only_leaves_is_named_too()
    {
        Meet(2)[1].Dispose();
        AssertFailure(1, "rank 1 closed its control channel without saying why");
    }

    [Theory]
    [InlineData(3, "ended with exit code 3")]
    [InlineData(138, "was killed by signal 10 (SIGUSR1)")]
    public void Where_a_rank_only_leaves_its_exit_code_says_more(int code, string cause)
    {
        ControlChannel[] ranks = Meet(3);
        ranks[2].Dispose();

        // The end of the channel is noticed first, as it is where the launcher waits for a core.
        Thread.Sleep(300);
        _coordinator!.RankEnded(2, code);
        AssertFailure(2, $"rank 2 {cause}");
    }

    [Fact]
    public void A_host_agent_that_ends_before_its_ranks_is_named()
    {
        _coordinator = new Coordinator(LaunchedEngine.Plan(4, 2), _refused.Enqueue);
        ControlChannel[] agents = [PresentHost(0), PresentHost(1)];
        ControlChannel[] ranks = [.. Enumerable.Range(0, 4).Select(Present)];
        ranks[2].Dispose();
        ranks[3].Dispose();
        agents[1].Dispose();
        AssertFailure(2, "host agent 1 ended, and with it ranks 2, 3");
    }

    [Fact]
    public async Task A_host_agent_whose_ranks_have_left_may_leave()
    {
        _coordinator = new Coordinator(LaunchedEngine.Plan(2, 2), _refused.Enqueue);
        ControlChannel[] agents = [PresentHost(0), PresentHost(1)];
        ControlChannel[] ranks = [Present(0), Present(1)];
        ranks[1].Send(ControlKind.Report, new RankReport(default, default, [], [], []).Write().Written);
        Assert.True(SpinWait.SpinUntil(() => _coordinator.Reports[1] is not null, Patience));
        agents[1].Send(ControlKind.RankEnded, new ControlWriter().Int32(1).Int32(0).Written);
        agents[1].Dispose();
        ranks[0].Send(ControlKind.Report, new RankReport(default, default, [], [], []).Write().Written);        Assert.Null(await _coordinator.Ended.WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Nobody_is_asked_to_stop_before_all_are_there()
    {
        _coordinator = new Coordinator(LaunchedEngine.Plan(2, 1), _refused.Enqueue);
        Present(0);
        Assert.False(_coordinator.TryStop());
    }

    [Fact]
    public void A_better_cause_may_come_after_others_noticed()
    {
        ControlChannel[] ranks = Meet(4);
        SendFailed(ranks[3], 1, "rank 1 cannot be reached any more");
        SendFailed(ranks[2], 3, "rank 3 closed its transport");
        SendFailed(ranks[1], -1, "out of memory");
        AssertFailure(1, "rank 1 failed: out of memory");
    }

    [Fact]
    public void Without_a_better_cause_what_was_noticed_first_counts()
    {
        ControlChannel[] ranks = Meet(4);
        SendFailed(ranks[3], 1, "rank 1 cannot be reached any more");
        AssertFailure(1, "rank 1 cannot be reached any more (noticed by rank 3)");
    }

    [Fact]
    public void Silence_is_noticed()
    {
        Meet(2, silence: TimeSpan.FromMilliseconds(1));
        LaunchFailure failure = Failure();
        Assert.Equal($"rank {failure.Rank} has not been heard of for 0 s", failure.Cause);
    }

    [Fact]
    public void A_rank_that_does_not_read_is_named_and_gets_no_half_messages()
    {
        ControlChannel[] ranks = Meet(2);
        Begin(ranks);

        // More than a socket holds.
        ranks[0].Send(ControlKind.Step, new byte[4 << 20]);
        AssertFailure(1, "rank 1 does not read what it is sent");
        Assert.False(ranks[1].TryReceive(out _));
    }

    [Fact]
    public void A_leader_that_does_not_wait_for_the_others_has_failed()
    {
        _coordinator = new Coordinator(LaunchedEngine.Plan(2, 1), _refused.Enqueue);
        Present(0).Send(ControlKind.Open, Order.Write().Written);
        AssertFailure(0, "rank 0 sent Open at the wrong time");
    }

    [Fact]
    public void A_report_that_no_sum_holds_is_refused()
    {
        ControlChannel[] ranks = Meet(2);
        ranks[1].Send(ControlKind.Report, new RankReport(default, default, [long.MaxValue], [new LinkTraffic[3]], [default]).Write().Written);
        AssertFailure(1, $"rank 1 sent Report with rows {long.MaxValue}; 0 to {1L << 50} are possible");
    }

    [Fact]
    public void What_ranks_may_send_as_their_addresses_can_be_passed_on()
    {
        ControlChannel[] ranks = Meet(WorldPlan.MostRanks / 2);
        ranks[0].Send(ControlKind.Open, Order.Write().Written);
        foreach (ControlChannel rank in ranks.AsSpan(1))
        {
            AssertNext(ControlKind.Open, rank);
        }

        byte[] longest = Addresses.Write([new byte[ControlFrame.MostBytes(ControlKind.Address) - (2 * sizeof(int))], []]).Written.ToArray();
        foreach (ControlChannel rank in ranks)
        {
            rank.Send(ControlKind.Address, longest);
        }

        Assert.Equal(ranks.Length, Addresses.Read(new ControlFrame(ControlKind.Addresses, AssertNext(ControlKind.Addresses, ranks[0])), ranks.Length).Length);
    }

    [Fact]
    public void Strangers_are_refused_and_the_launch_goes_on()
    {
        _coordinator = new Coordinator(LaunchedEngine.Plan(2, 1), _refused.Enqueue);
        AssertRefused(Connect(), ControlKind.Step, [1, 2, 3, 4], "sent Step before Hello");
        AssertRefused(Connect(), (ControlKind)99, [], "sent a message of kind 99, which there is not");
        AssertRefused(Connect(), ControlKind.Hello, new RankHello(2, ["reference"]).Write().Written, "sent Hello with rank 2; 0 to 1 are possible");
        AssertRefused(Connect(), ControlKind.Hello, new RankHello(1, ["sse"]).Write().Written, "sent Hello without the instruction set 'reference', which all have");
        AssertRefused(Connect(), ControlKind.Hello, new ControlWriter().Int32(0x4B4E5243).Int32(77).Int32(1).Written, "sent Hello in version 77 of the control channel's protocol, where this launch speaks");
        AssertRefused(Connect(), ControlKind.Hello, Encoding.ASCII.GetBytes("GET / HTTP/1.1"), "sent Hello with magic 542393671");
        ControlChannel first = Present(1);
        AssertRefused(Connect(), ControlKind.Hello, RankHello.Of(1).Write().Written, "presented itself as rank 1, which is there already");
        ControlChannel leader = Present(0);
        AssertNext(ControlKind.Welcome, first);
        AssertNext(ControlKind.Welcome, leader);
        Assert.False(_coordinator.Ended.IsCompleted);
    }

    [Theory]
    [InlineData(1, ControlKind.Step, 4, "rank 1 sent Step, which only the leader may")]
    [InlineData(1, ControlKind.End, 0, "rank 1 sent End, which only the leader may")]
    [InlineData(0, ControlKind.Step, 4, "rank 0 sent Step at the wrong time")]
    [InlineData(1, ControlKind.Ready, 0, "rank 1 sent Ready at the wrong time")]
    [InlineData(1, ControlKind.Address, 8, "rank 1 sent Address at the wrong time")]
    [InlineData(1, ControlKind.Welcome, 8, "rank 1 sent Welcome at the wrong time")]
    [InlineData(1, ControlKind.Report, 8, "rank 1 sent Report that ends too early")]
    [InlineData(0, ControlKind.Open, 3, "rank 0 sent Open that ends too early")]
    [InlineData(1, (ControlKind)77, 0, "rank 1 sent a message of kind 77, which there is not")]
    public void A_rank_that_sends_what_it_may_not_has_failed(int rank, object kind, int bytes, string cause)
    {
        ControlChannel[] ranks = Meet(3);
        SendRaw(ranks[rank], (ControlKind)kind, new byte[bytes]);
        AssertFailure(rank, cause);
        AssertAborted(ranks[2], cause);
    }

    [Fact]
    public void A_rank_that_sends_no_addresses_has_failed()
    {
        ControlChannel[] ranks = Meet(3);
        ranks[0].Send(ControlKind.Open, Order.Write().Written);
        AssertNext(ControlKind.Open, ranks[1]);
        ranks[1].Send(ControlKind.Address, [1]);
        AssertFailure(1, "rank 1 sent Address that ends too early");
    }

    [Fact]
    public async Task The_leaders_word_reaches_the_others_and_a_stop_reaches_the_leader()
    {
        ControlChannel[] ranks = Meet(3);
        Assert.True(_coordinator!.TryStop());
        AssertNext(ControlKind.Stop, ranks[0]);
        Begin(ranks);
        ranks[0].Send(ControlKind.Step, [5, 0, 0, 0]);
        ranks[0].Send(ControlKind.End);
        foreach (ControlChannel rank in ranks[1..])
        {
            Assert.Equal([5, 0, 0, 0], AssertNext(ControlKind.Step, rank));
            AssertNext(ControlKind.End, rank);
        }

        foreach (ControlChannel rank in ranks)
        {
            Assert.False(_coordinator.Ended.IsCompleted);
            rank.Send(ControlKind.Report, new RankReport(default, default, [], [], []).Write().Written);
        }

        Assert.Null(await _coordinator.Ended.WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_leader_that_is_alive_is_told_the_loads_of_the_others()
    {
        ControlChannel[] ranks = Meet(3);
        Begin(ranks);
        SendLoads(ranks[1], 1, 0, 5);
        SendLoads(ranks[2], 2, 0, 7);
        AssertToldLoads(ranks[0], 3, 0, 12);
        SendLoads(ranks[1], 0, 1, 0);
        AssertToldLoads(ranks[0], 3, 1, 12);

        // It is not told what it knows.
        ranks[0].Send(ControlKind.Heartbeat);
        SendLoads(ranks[2], 9, 9);
        AssertFailure(2, "rank 2 sent Loads that ends too early");
        AssertAborted(ranks[0], "rank 2 sent Loads that ends too early");
    }

    [Fact]
    public void Where_ranks_cannot_connect_any_more_the_launch_ends_with_the_cause()
    {
        _coordinator = new Coordinator(LaunchedEngine.Plan(2, 1), _refused.Enqueue);
        StopListening();
        AssertFailure(0, "the launcher can let no more ranks connect: Invalid argument");
    }

    [Fact]
    public void Where_all_ranks_are_there_nobody_else_needs_to_connect()
    {
        ControlChannel[] ranks = Meet(2);
        StopListening();
        Begin(ranks);
        Assert.False(_coordinator!.Ended.IsCompleted);
    }

    [Fact]
    public void What_a_rank_warns_of_is_told_at_once_and_ends_nothing()
    {
        ControlChannel[] ranks = Meet(3);
        Begin(ranks);
        ranks[2].Send(ControlKind.Warning, new ControlWriter().Text("no room; experts stay where they are", 100).Written);

        // One that follows on the same channel has been read after it.
        ranks[2].Send(ControlKind.Warning, [1]);
        AssertFailure(2, "rank 2 sent Warning that ends too early");
        Assert.Equal(["rank 2: no room; experts stay where they are"], _refused);
    }

    [Fact]
    public void Loads_of_the_leader_are_its_own_matter()
    {
        ControlChannel[] ranks = Meet(2);
        Begin(ranks);
        SendLoads(ranks[0], 1, 2, 3);
        AssertFailure(0, "rank 0 sent Loads at the wrong time");
    }

    public void Dispose()
    {
        foreach (ControlChannel channel in _sockets.Keys)
        {
            channel.Dispose();
        }

        _coordinator?.Dispose();
    }

    private static byte[] AssertNext(ControlKind kind, ControlChannel channel)
    {
        Assert.True(channel.TryReceive(out ControlFrame frame));
        Assert.Equal(kind, frame.Kind);
        return frame.Body.ToArray();
    }

    private static void AssertAborted(ControlChannel channel, string cause) => Assert.Equal(cause, Encoding.UTF8.GetString(AssertNext(ControlKind.Abort, channel)));

    private static void SendFailed(ControlChannel channel, int blamed, string message) =>
        channel.Send(ControlKind.Failed, new ControlWriter().Int32(blamed).Text(message, 100).Written);

    private static void Begin(ControlChannel[] ranks)
    {
        ranks[0].Send(ControlKind.Open, Order.Write().Written);
        ranks[0].Send(ControlKind.Address, Addresses.Write([[1], []]).Written);
        foreach (ControlChannel rank in ranks[1..])
        {
            AssertNext(ControlKind.Open, rank);
            rank.Send(ControlKind.Address, Addresses.Write([[1], []]).Written);
        }

        foreach (ControlChannel rank in ranks[1..])
        {
            AssertNext(ControlKind.Addresses, rank);
            rank.Send(ControlKind.Ready);
        }

        AssertNext(ControlKind.Addresses, ranks[0]);
        AssertNext(ControlKind.Start, ranks[0]);
    }

    private static void SendLoads(ControlChannel channel, params int[] loads) => channel.Send(ControlKind.Loads, new ControlWriter().Int32s(loads).Written);

    /// <summary>Waits until a leader that goes on saying that it is alive has been told these.</summary>
    private void AssertToldLoads(ControlChannel leader, params long[] loads)
    {
        long[] told = [];
        while (!told.SequenceEqual(loads))
        {
            Assert.Equal(0, told.Zip(loads).Count(pair => pair.First > pair.Second));
            leader.Send(ControlKind.Heartbeat);
            if (_sockets[leader].Poll(10_000, SelectMode.SelectRead))
            {
                told = MemoryMarshal.Cast<byte, long>(AssertNext(ControlKind.Loads, leader)).ToArray();
            }
        }
    }

    // The channel itself sends no kind that there is not.
    private void SendRaw(ControlChannel channel, ControlKind kind, ReadOnlySpan<byte> body) =>
        _sockets[channel].Send([.. BitConverter.GetBytes(body.Length), (byte)kind, .. body]);

    private void AssertRefused(ControlChannel stranger, ControlKind kind, ReadOnlySpan<byte> body, string why)
    {
        SendRaw(stranger, kind, body);
        string told = Encoding.UTF8.GetString(AssertNext(ControlKind.Abort, stranger));
        Assert.StartsWith($"somebody at the control channel {why}", told);
        Assert.Contains(told, _refused);
    }

    private ControlChannel[] Meet(int ranks, TimeSpan? silence = null)
    {
        _coordinator = new Coordinator(LaunchedEngine.Plan(ranks, 1), _refused.Enqueue, silence);
        ControlChannel[] channels = [.. Enumerable.Range(0, ranks).Select(Present)];
        foreach (ControlChannel channel in channels)
        {
            AssertNext(ControlKind.Welcome, channel);
        }

        return channels;
    }

    private ControlChannel Present(int rank)
    {
        ControlChannel channel = Connect();
        channel.Send(ControlKind.Hello, RankHello.Of(rank).Write().Written);
        return channel;
    }

    private ControlChannel PresentHost(int host)
    {
        ControlChannel channel = Connect();
        channel.Send(ControlKind.HostHello, new ControlWriter().Int32(host).Written);
        AssertNext(ControlKind.Welcome, channel);
        return channel;
    }

    private ControlChannel Connect()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(_coordinator!.SocketPath));
        ControlChannel channel = new(socket);
        _sockets.Add(channel, socket);
        return channel;
    }

    /// <summary>Has the next call of accept fail, as it does where the process has no more descriptors.</summary>
    private void StopListening()
    {
        const string Listens = "00010000";
        string folder = Path.GetDirectoryName(_coordinator!.SocketPath)!;
        string inode = Assert.Single(
            File.ReadLines("/proc/net/unix").Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)),
            fields => fields.Length == 8 && fields[3] == Listens && fields[7].StartsWith(folder, StringComparison.Ordinal))[6];
        FileInfo descriptor = Assert.Single(new DirectoryInfo("/proc/self/fd").EnumerateFiles(), file => file.LinkTarget == $"socket:[{inode}]");
        Assert.Equal(0, Shutdown(int.Parse(descriptor.Name, CultureInfo.InvariantCulture), (int)SocketShutdown.Both));
    }

    [LibraryImport("libc", EntryPoint = "shutdown")]
    private static partial int Shutdown(int socket, int how);

    private LaunchFailure Failure()
    {
        Assert.True(_coordinator!.Ended.Wait(Patience, TestContext.Current.CancellationToken), "the failure was not noticed");
        return _coordinator.Ended.Result!;
    }

    private void AssertFailure(int rank, string cause)
    {
        LaunchFailure failure = Failure();
        Assert.Equal(rank, failure.Rank);
        Assert.StartsWith(cause, failure.Cause);
    }
}
