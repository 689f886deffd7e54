using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Balancing;

/// <summary>A transport that passes everything on.</summary>
internal abstract class PassingTransport(ITransport inner) : ITransport
{
    public int Rank => inner.Rank;

    public int World => inner.World;

    public int MaxMessageBytes => inner.MaxMessageBytes;

    public TransportCounters Counters => inner.Counters;

    public virtual NativeBuffer Register(nint bytes) => inner.Register(bytes);

    public bool TrySend(int peer, ulong tag, NativeSlice payload) => inner.TrySend(peer, tag, payload);

    public virtual int Poll(Span<Completion> completions) => inner.Poll(completions);

    public void Release(in Completion received) => inner.Release(received);

    public virtual void Wait(TimeSpan atMost) => inner.Wait(atMost);

    public void Dispose() => inner.Dispose();
}

/// <summary>Counts how often memory is registered.</summary>
internal sealed class CountingTransport(ITransport inner, Action registered) : PassingTransport(inner)
{
    public override NativeBuffer Register(nint bytes)
    {
        registered();
        return base.Register(bytes);
    }
}

/// <summary>What one peer sends arrives many polls late.</summary>
internal sealed class SlowTransport(ITransport inner, int slowPeer) : PassingTransport(inner)
{
    private const int Polls = 1000;

    private readonly Queue<(long Due, Completion Message)> _held = [];
    private long _polls;

    public override int Poll(Span<Completion> completions)
    {
        _polls++;
        int count = base.Poll(completions[..^1]);
        int kept = 0;
        for (int i = 0; i < count; i++)
        {
            if (completions[i].Kind == CompletionKind.Received && completions[i].Peer == slowPeer)
            {
                _held.Enqueue((_polls + Polls, completions[i]));
            }
            else
            {
                completions[kept++] = completions[i];
            }
        }

        if (_held.TryPeek(out (long Due, Completion Message) first) && first.Due <= _polls)
        {
            completions[kept++] = _held.Dequeue().Message;
        }

        return kept;
    }

    public override void Wait(TimeSpan atMost) => base.Wait(_held.Count > 0 ? TimeSpan.Zero : atMost);
}
