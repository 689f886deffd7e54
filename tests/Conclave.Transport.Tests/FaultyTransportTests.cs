using System.Collections.Immutable;
using Conclave.Transport.Faults;
using Conclave.Transport.InProcess;
using CsCheck;

namespace Conclave.Transport.Tests;

public sealed class FaultyTransportTests
{
    private static readonly TransportOptions Options = new() { Credits = 4, MaxMessageBytes = 100 };

    [Fact]
    public void Delayed_messages_still_arrive_once_intact_and_in_order() =>
        Gen.Select(Gen.Int[1, 5], Gen.Int[0, 20], Gen.Int[0, 20], Gen.Int).Sample((world, held, messages, seed) =>
        {
            using InProcessFabric fabric = new(Topology.Even(world, 1), Options, seed);
            ITransport[] endpoints = [.. Enumerable.Range(0, world).Select(rank => new FaultyTransport(fabric[rank], new FaultPlan { Seed = seed, MostPollsHeld = held }))];
            new RandomTraffic(endpoints, Options, messages, seed).Run(CancellationToken.None);
        }, iter: 100);

    [Fact]
    public void A_plan_repeats_itself_and_lets_peers_overtake_one_another()
    {
        Assert.Equal(Arrivals(3), Arrivals(3));
        List<int> arrivals = Arrivals(3);
        Assert.NotEqual(Arrivals(4), arrivals);
        Assert.NotEqual(arrivals.Order(), arrivals);

        // Rank r's messages are sent in one go, before those of rank r + 1.
        static List<int> Arrivals(int seed)
        {
            using InProcessFabric fabric = new(Topology.Even(4, 1), Options);
            using FaultyTransport receiver = new(fabric[0], new FaultPlan { Seed = seed, MostPollsHeld = 10 });
            Completion[] completions = new Completion[16];
            List<int> peers = [];
            for (int peer = 1; peer < 4; peer++)
            {
                for (ulong message = 0; message < 4; message++)
                {
                    Assert.True(fabric[peer].TrySend(0, message, default));
                }
            }

            ulong[] next = new ulong[4];
            for (int polls = 0; peers.Count < 12; polls++)
            {
                Assert.InRange(polls, 0, 20);
                foreach (Completion completion in completions.AsSpan(0, receiver.Poll(completions)))
                {
                    Assert.Equal(next[completion.Peer]++, completion.Tag);
                    peers.Add(completion.Peer);
                }
            }

            return peers;
        }
    }

    [Fact]
    public void A_lost_peer_fails_once_and_takes_part_in_nothing_more()
    {
        using InProcessFabric fabric = new(Topology.Even(3, 1), Options);
        using FaultyTransport rank = new(fabric[0], new FaultPlan { Seed = 1, LostAfter = ImmutableDictionary<int, long>.Empty.Add(1, 3) });
        Completion[] completions = new Completion[16];
        Assert.True(rank.TrySend(1, 10, default));
        for (ulong message = 0; message < 4; message++)
        {
            Assert.True(fabric[1].TrySend(0, message, default));
        }

        // One sent, two received: the third received is one too many, and is given back.
        int count = rank.Poll(completions);
        Assert.Equal(
            [(CompletionKind.Sent, 10ul), (CompletionKind.Received, 0ul), (CompletionKind.Received, 1ul), (CompletionKind.PeerFailed, 0ul)],
            completions.Take(count).Select(completion => (completion.Kind, completion.Tag)));
        Assert.Equal("is lost after 3 messages, as the fault plan says", completions[3].Reason);
        Assert.False(rank.TrySend(1, 11, default));
        Assert.True(rank.TrySend(2, 12, default));
        fabric[1].Dispose();
        Assert.Equal(1, rank.Poll(completions));
        Assert.Equal(CompletionKind.Sent, completions[0].Kind);
        Assert.Equal(0, rank.Poll(completions));
    }
}
