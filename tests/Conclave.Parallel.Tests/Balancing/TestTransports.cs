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

/// <summary>What one peer sends arrives behind many messages of others, or when these have ceased to come.</summary>
internal sealed class SlowTransport(ITransport inner, int slowPeer, int messages) : PassingTransport(inner)
{
    private const int QuietMilliseconds = 20;

    private readonly Queue<(long Due, Completion Message)> _held = [];
    private long _received;
    private long _last;

    public override int Poll(Span<Completion> completions)
    {
        int count = base.Poll(completions[..^1]);
        int kept = 0;
        for (int i = 0; i < count; i++)
        {
            if (completions[i].Kind == CompletionKind.Received && completions[i].Peer == slowPeer)
            {
                _held.Enqueue((_received + messages, completions[i]));
                continue;
            }

            if (completions[i].Kind == CompletionKind.Received)
            {
                _received++;
                _last = Environment.TickCount64;
            }

            completions[kept++] = completions[i];
        }

        if (_held.TryPeek(out (long Due, Completion Message) first) && (first.Due <= _received || Environment.TickCount64 - _last > QuietMilliseconds))
        {
            completions[kept++] = _held.Dequeue().Message;
        }

        return kept;
    }

    public override void Wait(TimeSpan atMost) => base.Wait(_held.Count > 0 ? TimeSpan.Zero : atMost);
}
