using Conclave.Primitives;

namespace Conclave.Transport.Tests;

/// <summary>
/// Traffic that one thread drives through all ranks of a world, in an order drawn from a seed: ranks send, poll and release as it happens. It checks that every message arrives once,
/// intact and in the order of its pair, and that no pair ever has more messages under way than it has buffers.
/// </summary>
internal sealed class RandomTraffic
{
    private readonly ITransport[] _world;
    private readonly TransportOptions _options;
    private readonly int _messages;
    private readonly Random _random;
    private readonly NativeBuffer[] _payloads;
    private readonly int[,] _sent;
    private readonly int[,] _reported;
    private readonly int[,] _received;
    private readonly int[,] _released;
    private readonly List<Completion>[] _held;

    public RandomTraffic(ITransport[] world, TransportOptions options, int messagesOfPair, int seed)
    {
        _world = world;
        _options = options;
        _messages = messagesOfPair;
        _random = new Random(seed);
        int ranks = world.Length;
        _sent = new int[ranks, ranks];
        _reported = new int[ranks, ranks];
        _received = new int[ranks, ranks];
        _released = new int[ranks, ranks];
        _held = [.. world.Select(_ => new List<Completion>())];
        _payloads = [.. world.Select(rank => rank.Register((nint)ranks * options.Credits * options.MaxMessageBytes))];
    }

    /// <summary>Every completion in the order in which it was reported: rank, kind, peer, tag.</summary>
    public List<(int Rank, CompletionKind Kind, int Peer, ulong Tag)> Log { get; } = [];

    /// <summary>How long a message is; every sixteenth is empty, every sixteenth as long as it may be.</summary>
    public static int LengthOf(int from, int to, int message, int most)
    {
        uint hash = (uint)HashCode(from, to, message);
        return (hash & 15) switch { 0 => 0, 1 => most, _ => (int)((hash >> 4) % ((uint)most + 1)) };
    }

    /// <summary>The tag of a message, and what its bytes start from.</summary>
    public static ulong TagOf(int from, int to, int message) => ((ulong)(uint)HashCode(to, from, message) << 32) | (uint)message;

    /// <summary>Fills a message.</summary>
    public static void Fill(Span<byte> payload, ulong tag)
    {
        for (int i = 0; i < payload.Length; i++)
        {
            payload[i] = (byte)((ulong)i * 31 + (tag >> 32) + tag);
        }
    }

    /// <summary>Whether a message is what <see cref="Fill"/> made.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> payload, ulong tag)
    {
        for (int i = 0; i < payload.Length; i++)
        {
            if (payload[i] != (byte)((ulong)i * 31 + (tag >> 32) + tag))
            {
                return false;
            }
        }

        return true;
    }

    public void Run(CancellationToken stop)
    {
        Completion[] completions = new Completion[8];
        while (!IsDone())
        {
            stop.ThrowIfCancellationRequested();
            int rank = _random.Next(_world.Length);
            switch (_random.Next(4))
            {
                case 0:
                    TrySend(rank, _random.Next(_world.Length));
                    break;
                case 1 when _held[rank].Count > 0:
                    Release(rank, _random.Next(_held[rank].Count));
                    break;
                case 2:
                    _world[rank].Wait(TimeSpan.Zero);
                    break;
                default:
                    Poll(rank, completions.AsSpan(0, _random.Next(1, completions.Length + 1)));
                    break;
            }
        }

        for (int rank = 0; rank < _world.Length; rank++)
        {
            for (int peer = 0; peer < _world.Length; peer++)
            {
                Assert.Equal(_messages, _world[rank].Counters.MessagesSent(peer));
                Assert.Equal(_messages, _world[rank].Counters.MessagesReceived(peer));
                long bytes = Enumerable.Range(0, _messages).Sum(message => (long)LengthOf(rank, peer, message, _options.MaxMessageBytes) + TransportCounters.EnvelopeBytes);
                Assert.InRange(_world[rank].Counters.BytesSent(peer), bytes, bytes + (TransportCounters.EnvelopeBytes * (_messages + 1)));
                Assert.InRange(_world[peer].Counters.BytesReceived(rank), bytes, bytes + (TransportCounters.EnvelopeBytes * (_messages + 1)));
            }
        }
    }

    private static int HashCode(int a, int b, int c) => unchecked((int)(((((uint)a * 0x9E3779B1) ^ (uint)b) * 0x85EBCA6B ^ (uint)c) * 0xC2B2AE35 >> 3));

    private bool IsDone()
    {
        for (int rank = 0; rank < _world.Length; rank++)
        {
            for (int peer = 0; peer < _world.Length; peer++)
            {
                if (_released[rank, peer] < _messages || _reported[rank, peer] < _messages)
                {
                    return false;
                }
            }
        }

        return true;
    }

    private void TrySend(int rank, int peer)
    {
        int message = _sent[rank, peer];

        // The payload's place is free once the message that last used it is reported.
        if (message == _messages || message - _reported[rank, peer] == _options.Credits)
        {
            return;
        }

        int place = (peer * _options.Credits) + (message % _options.Credits);
        NativeSlice payload = new(_payloads[rank], (nint)place * _options.MaxMessageBytes, LengthOf(rank, peer, message, _options.MaxMessageBytes));
        ulong tag = TagOf(rank, peer, message);
        Fill(payload.Span, tag);
        bool sent = _world[rank].TrySend(peer, tag, payload);
        bool hasCredit = _sent[rank, peer] - _released[peer, rank] < _options.Credits;
        Assert.True(hasCredit || !sent, "a message was sent without credit");
        _sent[rank, peer] += sent ? 1 : 0;
    }

    private void Release(int rank, int index)
    {
        Completion received = _held[rank][index];
        _held[rank].RemoveAt(index);

        // Until here nothing may have written over it.
        Assert.True(IsIntact(received.Payload.Span, received.Tag));
        _world[rank].Release(received);
        _released[rank, received.Peer]++;
    }

    private void Poll(int rank, Span<Completion> completions)
    {
        int count = _world[rank].Poll(completions);
        foreach (Completion completion in completions[..count])
        {
            int peer = completion.Peer;
            Log.Add((rank, completion.Kind, peer, completion.Tag));
            switch (completion.Kind)
            {
                case CompletionKind.Sent:
                    Assert.Equal(TagOf(rank, peer, _reported[rank, peer]++), completion.Tag);
                    break;
                case CompletionKind.Received:
                    int message = _received[rank, peer]++;
                    Assert.Equal(TagOf(peer, rank, message), completion.Tag);
                    Assert.Equal(LengthOf(peer, rank, message, _options.MaxMessageBytes), completion.Payload.Length);
                    Assert.True(IsIntact(completion.Payload.Span, completion.Tag));
                    unsafe
                    {
                        Assert.Equal(0, (nint)completion.Payload.Data % 64);
                    }

                    _held[rank].Add(completion);
                    break;
                default:
                    Assert.Fail($"rank {rank} lost rank {peer}, which {completion.Reason}");
                    break;
            }
        }
    }
}
