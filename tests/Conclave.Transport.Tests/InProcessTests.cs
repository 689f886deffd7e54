using System.Runtime.CompilerServices;
using Conclave.Primitives;
using Conclave.Transport.InProcess;
using CsCheck;

namespace Conclave.Transport.Tests;

public sealed class InProcessTests
{
    private static readonly TransportOptions Small = new() { Credits = 2, MaxMessageBytes = 100 };

    [Fact]
    public void Every_message_of_random_worlds_arrives_once_intact_and_in_order() =>
        Gen.Select(Gen.Int[1, 7], Gen.Int[1, 9], Gen.Int[1, 300], Gen.Int[0, 30], Gen.Int).Sample((world, credits, bytes, messages, seed) =>
        {
            TransportOptions options = new() { Credits = credits, MaxMessageBytes = bytes };
            using InProcessFabric fabric = new(Topology.Even(world, 1), options, seed);
            new RandomTraffic(Endpoints(fabric, world), options, messages, seed).Run(CancellationToken.None);
        }, iter: 200);

    [Theory]
    [InlineData(1, 1, 64, 2000)]
    [InlineData(2, 1, 64, 5000)]
    [InlineData(2, 8, 65536, 500)]
    [InlineData(5, 3, 1000, 500)]
    [InlineData(16, 2, 100, 60)]
    public void Every_rank_may_have_its_own_thread(int world, int credits, int bytes, int messages)
    {
        TransportOptions options = new() { Credits = credits, MaxMessageBytes = bytes };
        using InProcessFabric fabric = new(Topology.Even(world, 1), options);
        ThreadedTraffic.Run(rank => fabric[rank], world, options, messages);
    }

    [Fact]
    public void A_seed_repeats_the_order_of_everything_and_another_seed_does_not()
    {
        Assert.Equal(Run(1), Run(1));
        Assert.NotEqual(Run(1), Run(2));

        static List<(int Rank, CompletionKind Kind, int Peer, ulong Tag)> Run(int seed)
        {
            using InProcessFabric fabric = new(Topology.Even(4, 1), Small, seed);
            RandomTraffic traffic = new(Endpoints(fabric, 4), Small, 10, seed: 7);
            traffic.Run(CancellationToken.None);
            return traffic.Log;
        }
    }

    [Fact]
    public void Without_credit_nothing_is_sent_until_a_message_is_released()
    {
        using InProcessFabric fabric = new(Topology.Even(2, 1), Small);
        NativeSlice payload = new(fabric[0].Register(10), 0, 10);
        Assert.True(fabric[0].TrySend(1, 1, payload));
        Assert.True(fabric[0].TrySend(1, 2, payload));
        Assert.False(fabric[0].TrySend(1, 3, payload));
        Assert.True(fabric[0].TrySend(0, 4, payload), "the credits of one pair are not those of another");

        Completion[] completions = new Completion[4];
        Assert.Equal(2, fabric[1].Poll(completions));
        Assert.False(fabric[0].TrySend(1, 3, payload));
        fabric[1].Release(completions[1]);
        Assert.True(fabric[0].TrySend(1, 3, payload));
        Assert.False(fabric[0].TrySend(1, 5, payload));
    }

    [Fact]
    public void Wrong_peers_long_payloads_and_second_releases_are_refused()
    {
        using InProcessFabric fabric = new(Topology.Even(2, 1), Small);
        NativeBuffer buffer = fabric[0].Register(101);
        Assert.Throws<ArgumentOutOfRangeException>(() => fabric[0].TrySend(2, 0, default));
        Assert.Throws<ArgumentOutOfRangeException>(() => fabric[0].TrySend(-1, 0, default));
        Assert.Throws<ArgumentOutOfRangeException>(() => fabric[0].TrySend(1, 0, new NativeSlice(buffer, 0, 101)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeSlice(buffer, 1, 101));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeSlice(buffer, -1, 1));

        Assert.True(fabric[0].TrySend(1, 0, new NativeSlice(buffer, 1, 100)));
        Completion[] completions = new Completion[1];
        Assert.Equal(1, fabric[0].Poll(completions));
        Assert.Throws<InvalidOperationException>(() => fabric[0].Release(completions[0]));
        Assert.Equal(1, fabric[1].Poll(completions));
        fabric[1].Release(completions[0]);
        Assert.Throws<InvalidOperationException>(() => fabric[1].Release(completions[0]));
    }

    [Fact]
    public void A_ring_keeps_its_memory()
    {
        (MessageRing ring, WeakReference memory) = Make();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.True(memory.IsAlive);
        Assert.True(ring.TryPut(1, default));

        [MethodImpl(MethodImplOptions.NoInlining)]
        static (MessageRing, WeakReference) Make()
        {
            NativeBuffer memory = new(100);
            return (new MessageRing(memory, 0, 1, 100), new WeakReference(memory));
        }
    }

    [Fact]
    public void A_rank_that_leaves_fails_once_after_what_it_had_sent()
    {
        using InProcessFabric fabric = new(Topology.Even(3, 1), Small);
        Assert.True(fabric[1].TrySend(0, 5, default));
        fabric[1].Dispose();
        Completion[] completions = new Completion[4];
        Assert.Equal(2, fabric[0].Poll(completions));
        Assert.Equal((CompletionKind.Received, 1, 5ul), (completions[0].Kind, completions[0].Peer, completions[0].Tag));
        Assert.Equal((CompletionKind.PeerFailed, 1, "closed its transport"), (completions[1].Kind, completions[1].Peer, completions[1].Reason));
        Assert.False(fabric[0].TrySend(1, 0, default));
        Assert.True(fabric[0].TrySend(2, 0, default));
        Assert.Equal(1, fabric[0].Poll(completions));
        Assert.Equal(1, fabric[2].Poll(completions.AsSpan(0, 1)));
        Assert.Equal(1, fabric[2].Poll(completions));
        Assert.Equal(0, fabric[2].Poll(completions));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_sleeping_rank_wakes_when_a_message_or_a_credit_comes(bool credit)
    {
        InProcessFabric fabric = new(Topology.Even(2, 1), Small);
        Completion[] completions = new Completion[4];
        if (credit)
        {
            Assert.True(fabric[0].TrySend(1, 0, default));
            Assert.True(fabric[0].TrySend(1, 0, default));
            Assert.Equal(2, fabric[0].Poll(completions));
            Assert.Equal(2, fabric[1].Poll(completions));
        }

        // Without the wake the test would never end: an early return is allowed, so the waiting is repeated.
        bool done = false;
        Thread sleeper = new(() =>
        {
            Completion[] mine = new Completion[4];
            while (credit ? !fabric[0].TrySend(1, 0, default) : fabric[0].Poll(mine) == 0)
            {
                fabric[0].Wait(TimeSpan.FromDays(1));
            }

            Volatile.Write(ref done, true);
        });
        sleeper.Start();
        Thread.Sleep(50);
        Assert.False(Volatile.Read(ref done));
        if (credit)
        {
            fabric[1].Release(completions[0]);
        }
        else
        {
            Assert.True(fabric[1].TrySend(0, 0, default));
        }

        // Who sleeps on needs the fabric, so it is disposed only where nobody does.
        Assert.True(sleeper.Join(TimeSpan.FromSeconds(30)));
        fabric.Dispose();
    }

    [Fact]
    public void Sending_and_receiving_allocate_nothing()
    {
        using InProcessFabric fabric = new(Topology.Even(2, 1), Small);
        NativeSlice payload = new(fabric[0].Register(10), 0, 10);
        Completion[] completions = new Completion[4];
        Exchange(100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exchange(1000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Exchange(int messages)
        {
            for (int i = 0; i < messages; i++)
            {
                if (!fabric[0].TrySend(1, 1, payload) || fabric[0].Poll(completions) != 1 || fabric[1].Poll(completions) != 1)
                {
                    throw new InvalidOperationException("the message did not come");
                }

                fabric[1].Release(completions[0]);
                fabric[1].Wait(TimeSpan.Zero);
            }
        }
    }

    [Fact]
    public void Counters_tell_links_apart()
    {
        using InProcessFabric fabric = new(new Topology([0, 1, 0]), Small);
        NativeSlice payload = new(fabric[0].Register(10), 0, 10);
        Assert.True(fabric[0].TrySend(0, 0, payload));
        Assert.True(fabric[0].TrySend(1, 0, payload));
        Assert.True(fabric[0].TrySend(1, 0, default));
        Assert.True(fabric[0].TrySend(2, 0, default));
        Completion[] completions = new Completion[8];
        Assert.Equal(2, fabric[1].Poll(completions));

        TransportCounters sent = fabric[0].Counters;
        Assert.Equal((26, 1), (sent.BytesSent(LinkClass.SameRank), sent.MessagesSent(LinkClass.SameRank)));
        Assert.Equal((16, 1), (sent.BytesSent(LinkClass.SameHost), sent.MessagesSent(LinkClass.SameHost)));
        Assert.Equal((42, 2), (sent.BytesSent(LinkClass.CrossHost), sent.MessagesSent(LinkClass.CrossHost)));
        Assert.Equal((42, 2), (sent.BytesSent(1), sent.MessagesSent(1)));
        TransportCounters received = fabric[1].Counters;
        Assert.Equal((42, 2), (received.BytesReceived(LinkClass.CrossHost), received.MessagesReceived(LinkClass.CrossHost)));
        Assert.Equal(0, received.BytesReceived(LinkClass.SameHost));
    }

    [Theory]
    [InlineData(8, 2, "00001111")]
    [InlineData(5, 2, "00011")]
    [InlineData(7, 3, "0001122")]
    [InlineData(3, 3, "012")]
    public void Ranks_are_divided_evenly_over_hosts(int world, int hosts, string expected) =>
        Assert.Equal(expected, string.Concat(Topology.Even(world, hosts).HostOfRank));

    private static ITransport[] Endpoints(InProcessFabric fabric, int world) => [.. Enumerable.Range(0, world).Select(rank => fabric[rank])];
}
