using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>Ends who waits for messages that do not come.</summary>
internal sealed class RecallableTransport(ITransport inner, CancellationToken over) : ITransport
{
    public int Rank => inner.Rank;

    public int World => inner.World;

    public int MaxMessageBytes => inner.MaxMessageBytes;

    public TransportCounters Counters => inner.Counters;

    public NativeBuffer Register(nint bytes) => inner.Register(bytes);

    public bool TrySend(int peer, ulong tag, NativeSlice payload) => inner.TrySend(peer, tag, payload);

    public int Poll(Span<Completion> completions)
    {
        over.ThrowIfCancellationRequested();
        return inner.Poll(completions);
    }

    public void Release(in Completion received) => inner.Release(received);

    public void Wait(TimeSpan atMost) => inner.Wait(atMost);

    public void Dispose() => inner.Dispose();
}
