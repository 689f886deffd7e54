using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Conclave.Primitives;
using Conclave.Transport.Ucx;
using Microsoft.Win32.SafeHandles;

namespace Conclave.Transport.Tests;

[Collection("UCX")]
public sealed class UcxTransportTests
{
    private static readonly TransportOptions Small = new() { Credits = 2, MaxMessageBytes = 100 };

    [Theory]
    [InlineData(1, 1, 100, 40, 1)]
    [InlineData(2, 1, 1, 40, 2)]
    [InlineData(2, 3, 70_000, 60, 3)]
    [InlineData(3, 8, 5000, 60, 4)]
    [InlineData(4, 2, 300, 60, 5)]
    [InlineData(7, 3, 20_000, 12, 6)]
    public void Every_message_of_random_traffic_arrives_once_intact_and_in_order(int world, int credits, int bytes, int messages, int seed)
    {
        TransportOptions options = new() { Credits = credits, MaxMessageBytes = bytes };
        using UcxWorld ranks = new(world, options);
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        new RandomTraffic(ranks.Ranks, options, messages, seed).Run(limit.Token);
    }

    [Theory]
    [InlineData(2, 1, 64, 2000)]
    [InlineData(2, 8, 65536, 300)]
    [InlineData(4, 3, 1000, 300)]
    public void Every_rank_may_have_its_own_thread(int world, int credits, int bytes, int messages)
    {
        TransportOptions options = new() { Credits = credits, MaxMessageBytes = bytes };
        using UcxWorld ranks = new(world, options);
        ThreadedTraffic.Run(rank => ranks.Ranks[rank], world, options, messages);
    }

    [Theory]
    [InlineData("mmap")]
    [InlineData("munmap")]
    [InlineData("madvise")]
    public unsafe void The_C_library_keeps_its_code(string function)
    {
        using UcxTransport transport = new(Topology.Even(1, 1), 0, new TransportOptions());
        nint code = NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), function);
        Assert.Equal(InFile(code, 16), new ReadOnlySpan<byte>((void*)code, 16).ToArray());
    }

    [Fact]
    public void A_transport_that_cannot_have_its_memory_leaves_nothing_of_UCX_behind()
    {
        // What UCX opens once for the process is not counted, and .NET may open some of its own for others meanwhile: fewer than one for each attempt.
        const int Attempts = 10;
        new UcxTransport(Topology.Even(1, 1), 0, Small).Dispose();
        int before = Polls();
        TransportOptions most = new() { Credits = TransportOptions.MostCredits, MaxMessageBytes = TransportOptions.MostMessageBytes };
        Topology more = Topology.Even(20_000, 1);
        for (int i = 0; i < Attempts; i++)
        {
            // 300 TB: more than addresses can name.
            Assert.Throws<OutOfMemoryException>(() => new UcxTransport(more, 0, most));
        }

        Assert.InRange(Polls() - before, 0, Attempts - 1);

        static int Polls() => new DirectoryInfo("/proc/self/fd").EnumerateFiles().Count(file => file.LinkTarget == "anon_inode:[eventpoll]");
    }

    [Fact]
    public void Without_credit_nothing_is_sent_until_a_message_is_released()
    {
        using UcxWorld ranks = new(2, Small);
        NativeSlice payload = new(ranks.Ranks[0].Register(10), 0, 10);
        Assert.True(ranks.Ranks[0].TrySend(1, 1, payload));
        Assert.True(ranks.Ranks[0].TrySend(1, 2, payload));
        Assert.False(ranks.Ranks[0].TrySend(1, 3, payload));
        List<Completion> received = Until(ranks, 1, completions => completions.Count(c => c.Kind == CompletionKind.Received) == 2);
        Assert.False(ranks.Ranks[0].TrySend(1, 3, payload));
        ranks.Ranks[1].Release(received[1]);
        Assert.Throws<InvalidOperationException>(() => ranks.Ranks[1].Release(received[1]));
        Until(ranks, 0, _ => ranks.Ranks[0].TrySend(1, 3, payload));
        Assert.False(ranks.Ranks[0].TrySend(1, 4, payload));
    }

    [Fact]
    public void Sending_and_receiving_allocate_nothing()
    {
        using UcxWorld ranks = new(2, Small);
        NativeSlice payload = new(ranks.Ranks[0].Register(10), 0, 10);
        Completion[] completions = new Completion[4];
        Exchange(200);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exchange(1000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Exchange(int messages)
        {
            int received = 0;
            int sent = 0;
            while (received < messages)
            {
                sent += sent < messages && ranks.Ranks[0].TrySend(1, 1, payload) ? 1 : 0;
                ranks.Ranks[0].Poll(completions);
                ranks.Ranks[0].Wait(TimeSpan.Zero);
                foreach (ref readonly Completion completion in completions.AsSpan(0, ranks.Ranks[1].Poll(completions)))
                {
                    ranks.Ranks[1].Release(completion);
                    received++;
                }
            }
        }
    }

    [Fact]
    public void A_rank_that_leaves_at_once_is_missed()
    {
        // Its only slot for messages of credits is under way with the greeting.
        using UcxWorld ranks = new(2, new TransportOptions { Credits = 1, MaxMessageBytes = 100 });
        Thread leaving = new(ranks.Ranks[1].Dispose);
        leaving.Start();
        List<Completion> seen = Until([ranks.Ranks[0]], 0, completions => completions.Exists(c => c.Kind == CompletionKind.PeerFailed));
        leaving.Join();
        Assert.Equal("closed its transport", Assert.Single(seen).Reason);
    }

    [Fact]
    public void A_rank_that_leaves_fails_once_after_what_it_had_sent()
    {
        using UcxWorld ranks = new(3, Small);
        NativeSlice payload = new(ranks.Ranks[1].Register(10), 0, 10);
        Assert.True(ranks.Ranks[1].TrySend(0, 5, payload));
        Until(ranks, 0, completions => completions.Exists(c => c.Kind == CompletionKind.Received));
        ranks.Ranks[1].Dispose();
        List<Completion> seen = Until([ranks.Ranks[0], ranks.Ranks[2]], 0, completions => completions.Exists(c => c.Kind == CompletionKind.PeerFailed));
        Assert.Equal(1, Assert.Single(seen).Peer);
        Assert.Equal("closed its transport", seen[0].Reason);
        Assert.False(ranks.Ranks[0].TrySend(1, 0, payload));

        // The others still serve one another, and hear of it once.
        Assert.True(ranks.Ranks[0].TrySend(2, 6, payload));
        List<Completion> others = Until([ranks.Ranks[2], ranks.Ranks[0]], 0, completions => completions.Exists(c => c.Kind == CompletionKind.Received));
        Assert.Equal(1, others.Count(c => c.Kind == CompletionKind.PeerFailed && c.Peer == 1));
        Assert.Equal(6ul, others.Single(c => c.Kind == CompletionKind.Received).Tag);
    }

    [Fact]
    public void Addresses_that_do_not_fit_are_refused()
    {
        Topology topology = Topology.Even(2, 1);
        using UcxTransport first = new(topology, 0, Small);
        using UcxTransport second = new(topology, 1, Small);
        using UcxTransport larger = new(topology, 1, Small with { MaxMessageBytes = 101 });
        byte[] mine = first.LocalAddress.ToArray();
        Assert.Contains("for a world of 2 ranks", Assert.Throws<UserErrorException>(() => first.Connect([mine])).Message);
        Assert.Contains("the one of rank 1", Assert.Throws<UserErrorException>(() => first.Connect([second.LocalAddress.ToArray(), mine])).Message);
        Assert.Contains("of 101 bytes", Assert.Throws<UserErrorException>(() => first.Connect([mine, larger.LocalAddress.ToArray()])).Message);
        Assert.Contains("is no address", Assert.Throws<UserErrorException>(() => first.Connect([mine, new byte[100]])).Message);
        Assert.Contains("is no address", Assert.Throws<UserErrorException>(() => first.Connect([mine, mine[..16]])).Message);
        Assert.Contains("is no address", Assert.Throws<UserErrorException>(() => first.Connect([mine, new byte[100_000]])).Message);
        Assert.False(first.TrySend(1, 0, default));
        first.Connect([mine, second.LocalAddress.ToArray()]);
        Assert.Throws<InvalidOperationException>(() => first.Connect([mine, second.LocalAddress.ToArray()]));
    }

    /// <summary>Polls all ranks in turn until the first one's completions, the last ones at the end, are what is waited for.</summary>
    internal static List<Completion> Until(IReadOnlyList<ITransport> ranks, int rank, Predicate<List<Completion>> isDone)
    {
        long start = Stopwatch.GetTimestamp();
        List<Completion> seen = [];
        Completion[] completions = new Completion[8];
        while (!isDone(seen))
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30), $"seen: {string.Join(", ", seen.Select(c => $"{c.Kind} {c.Peer} {c.Tag} {c.Reason}"))}");
            for (int i = 0; i < ranks.Count; i++)
            {
                // Others' completions are of no interest, but what they receive must not be taken from them.
                if (i == rank)
                {
                    seen.AddRange(completions.AsSpan(0, ranks[i].Poll(completions)));
                }
                else
                {
                    ranks[i].Poll([]);
                }
            }
        }

        return seen;
    }

    private static List<Completion> Until(UcxWorld ranks, int rank, Predicate<List<Completion>> isDone) => Until(ranks.Ranks, rank, isDone);

    /// <summary>What the file that is mapped at an address has there (proc_pid_maps(5)).</summary>
    private static byte[] InFile(nint address, int count)
    {
        foreach (string[] words in File.ReadLines("/proc/self/maps").Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
        {
            nint[] range = Array.ConvertAll(words[0].Split('-'), bound => nint.Parse(bound, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
            if (range[0] <= address && address < range[1])
            {
                byte[] bytes = new byte[count];
                using SafeFileHandle file = File.OpenHandle(words[5]);
                Assert.Equal(count, RandomAccess.Read(file, bytes, address - range[0] + long.Parse(words[2], NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
                return bytes;
            }
        }

        throw new InvalidOperationException($"nothing is mapped at {address:X}");
    }
}
