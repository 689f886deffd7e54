using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>Breaks after some messages.</summary>
internal sealed class FailingTransport(ITransport inner, int messages) : ITransport
{
    private int _sent;

    public int Rank => inner.Rank;

    public int World => inner.World;

    public int MaxMessageBytes => inner.MaxMessageBytes;

    public TransportCounters Counters => inner.Counters;

    public NativeBuffer Register(nint bytes) => inner.Register(bytes);

    public bool TrySend(int peer, ulong tag, NativeSlice payload) =>
        _sent++ < messages ? inner.TrySend(peer, tag, payload) : throw new InvalidOperationException("the card fell out");

    public int Poll(Span<Completion> completions) => inner.Poll(completions);

    public void Release(in Completion received) => inner.Release(received);

    public void Wait(TimeSpan atMost) => inner.Wait(atMost);

    public void Dispose() => inner.Dispose();
}
