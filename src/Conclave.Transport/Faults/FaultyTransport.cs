using Conclave.Primitives;

namespace Conclave.Transport.Faults;

/// <summary>A transport, for tests, that delays the messages of another, lets peers overtake one another and loses peers, as a plan says. It owns the other.</summary>
public sealed class FaultyTransport : ITransport
{
    private readonly ITransport _inner;
    private readonly FaultPlan _plan;
    private readonly Random _random;
    private readonly int[] _order;
    private readonly long[] _exchanged;
    private readonly bool[] _lost;

    // Never longer than the credits of a peer: what is held is not released.
    private readonly Queue<(Completion Completion, long Due)>[] _held;
    private Completion[] _polled = [];
    private long _polls;

    /// <summary>Wraps a transport.</summary>
    public FaultyTransport(ITransport inner, FaultPlan plan)
    {
        _inner = inner;
        _plan = plan;
        _random = new Random(plan.Seed);
        _order = [.. Enumerable.Range(0, inner.World)];
        _exchanged = new long[inner.World];
        _lost = new bool[inner.World];
        _held = [.. _order.Select(_ => new Queue<(Completion, long)>())];
    }

    /// <inheritdoc/>
    public int Rank => _inner.Rank;

    /// <inheritdoc/>
    public int World => _inner.World;

    /// <inheritdoc/>
    public int MaxMessageBytes => _inner.MaxMessageBytes;

    /// <inheritdoc/>
    public TransportCounters Counters => _inner.Counters;

    /// <inheritdoc/>
    public NativeBuffer Register(nint bytes) => _inner.Register(bytes);

    /// <inheritdoc/>
    public bool TrySend(int peer, ulong tag, NativeSlice payload)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)peer, (uint)World, nameof(peer));
        if (IsLost(peer) || !_inner.TrySend(peer, tag, payload))
        {
            return false;
        }

        _exchanged[peer]++;
        return true;
    }

    /// <inheritdoc/>
    public int Poll(Span<Completion> completions)
    {
        _polls++;
        if (_polled.Length < completions.Length)
        {
            _polled = new Completion[completions.Length];
        }

        int count = 0;
        foreach (Completion completion in _polled.AsSpan(0, _inner.Poll(_polled.AsSpan(0, completions.Length))))
        {
            if (completion.Kind == CompletionKind.Sent && !_lost[completion.Peer])
            {
                completions[count++] = completion;
            }
            else if (completion.Kind != CompletionKind.Sent)
            {
                Hold(completion);
            }
        }

        for (int peer = 0; peer < World; peer++)
        {
            IsLost(peer);
        }

        _random.Shuffle(_order);
        foreach (int peer in _order)
        {
            while (count < completions.Length && _held[peer].TryPeek(out (Completion Completion, long Due) next) && next.Due <= _polls)
            {
                completions[count++] = _held[peer].Dequeue().Completion;
            }
        }

        return count;
    }

    /// <inheritdoc/>
    public void Release(in Completion received) => _inner.Release(received);

    /// <inheritdoc/>
    public void Wait(TimeSpan atMost)
    {
        if (_held.All(queue => queue.Count == 0))
        {
            _inner.Wait(atMost);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _inner.Dispose();

    private void Hold(in Completion completion)
    {
        int peer = completion.Peer;
        if (IsLost(peer))
        {
            if (completion.Kind == CompletionKind.Received)
            {
                _inner.Release(completion);
            }

            return;
        }

        if (completion.Kind == CompletionKind.Received)
        {
            _exchanged[peer]++;
        }
        else
        {
            _lost[peer] = true;
        }

        _held[peer].Enqueue((completion, _polls + _random.Next(_plan.MostPollsHeld + 1)));
    }

    // The loss itself is queued behind what the peer sent before.
    private bool IsLost(int peer)
    {
        if (!_lost[peer] && _plan.LostAfter.TryGetValue(peer, out long messages) && _exchanged[peer] >= messages)
        {
            _lost[peer] = true;
            _held[peer].Enqueue((Completion.PeerFailed(peer, $"is lost after {messages} messages, as the fault plan says"), _polls));
        }

        return _lost[peer];
    }
}
