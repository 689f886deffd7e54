using System.Diagnostics;
using Conclave.Primitives;

namespace Conclave.Transport.Tests;

/// <summary>Every rank on a thread of its own sends messages to every rank, itself included, and waits where nothing is to be done.</summary>
internal static class ThreadedTraffic
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static void Run(Func<int, ITransport> endpoint, int world, TransportOptions options, int messages)
    {
        Exception?[] errors = new Exception?[world];
        Thread[] threads = [.. Enumerable.Range(0, world).Select(rank => new Thread(() =>
        {
            try
            {
                RunRank(endpoint(rank), options, messages);
            }
            catch (Exception e)
            {
                errors[rank] = e;
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.All(errors, Assert.Null);
    }

    private static void RunRank(ITransport transport, TransportOptions options, int messages)
    {
        int world = transport.World;
        long start = Stopwatch.GetTimestamp();
        NativeBuffer payloads = transport.Register((nint)world * options.Credits * options.MaxMessageBytes);
        int[] sent = new int[world];
        int[] reported = new int[world];
        int[] received = new int[world];
        Completion[] completions = new Completion[16];
        while (sent.Concat(reported).Concat(received).Any(count => count < messages))
        {
            if (Stopwatch.GetElapsedTime(start) > Limit)
            {
                throw new TimeoutException($"rank {transport.Rank}: sent {string.Join(' ', sent)}, reported {string.Join(' ', reported)}, received {string.Join(' ', received)}");
            }

            bool worked = false;
            for (int peer = 0; peer < world; peer++)
            {
                int message = sent[peer];
                if (message == messages || message - reported[peer] == options.Credits)
                {
                    continue;
                }

                int place = (peer * options.Credits) + (message % options.Credits);
                ulong tag = RandomTraffic.TagOf(transport.Rank, peer, message);
                NativeSlice payload = new(
                    payloads, (nint)place * options.MaxMessageBytes, RandomTraffic.LengthOf(transport.Rank, peer, message, options.MaxMessageBytes));
                RandomTraffic.Fill(payload.Span, tag);
                bool accepted = transport.TrySend(peer, tag, payload);
                sent[peer] += accepted ? 1 : 0;
                worked |= accepted;
            }

            int count = transport.Poll(completions);
            foreach (Completion completion in completions.AsSpan(0, count))
            {
                if (completion.Kind == CompletionKind.Sent)
                {
                    Assert.Equal(RandomTraffic.TagOf(transport.Rank, completion.Peer, reported[completion.Peer]++), completion.Tag);
                    continue;
                }

                Assert.Equal(CompletionKind.Received, completion.Kind);
                int message = received[completion.Peer]++;
                Assert.Equal(RandomTraffic.TagOf(completion.Peer, transport.Rank, message), completion.Tag);
                Assert.Equal(RandomTraffic.LengthOf(completion.Peer, transport.Rank, message, options.MaxMessageBytes), completion.Payload.Length);
                Assert.True(RandomTraffic.IsIntact(completion.Payload.Span, completion.Tag));
                transport.Release(completion);
            }

            if (count == 0 && !worked)
            {
                transport.Wait(TimeSpan.FromSeconds(1));
            }
        }
    }
}
