using System.Diagnostics;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.ExchangeBench;

/// <summary>The links of a world's hosts: what all ranks of a host send to others leaves at one rate.</summary>
/// <param name="topology">The world.</param>
/// <param name="bytesPerSecond">Of each host; infinity: no limit.</param>
internal sealed class HostLinks(Topology topology, double bytesPerSecond)
{
    // What network cards and sockets take before they are rid of it, so that a link does not stand still while its ranks compute.
    private static readonly long Backlog = Stopwatch.Frequency / 500;

    private readonly long[] _freeAt = new long[topology.HostOfRank.Max() + 1];

    /// <summary>Takes the link of a rank's host for a message, if it is free soon enough.</summary>
    public bool TryTake(int rank, int peer, int bytes)
    {
        if (topology.Between(rank, peer) != LinkClass.CrossHost)
        {
            return true;
        }

        ref long freeAt = ref _freeAt[topology.HostOfRank[rank]];
        long now = Stopwatch.GetTimestamp();
        long before = Volatile.Read(ref freeAt);
        long after = Math.Max(now, before) + (long)(bytes / bytesPerSecond * Stopwatch.Frequency);
        return before <= now + Backlog && Interlocked.CompareExchange(ref freeAt, after, before) == before;
    }
}

/// <summary>A rank's transport behind the link of its host.</summary>
internal sealed class LimitedTransport(ITransport inner, HostLinks links) : ITransport
{
    // A link becomes free without ringing anybody.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(0.2);

    public int Rank => inner.Rank;

    public int World => inner.World;

    public int MaxMessageBytes => inner.MaxMessageBytes;

    public TransportCounters Counters => inner.Counters;

    public NativeBuffer Register(nint bytes) => inner.Register(bytes);

    public bool TrySend(int peer, ulong tag, NativeSlice payload) =>
        links.TryTake(Rank, peer, payload.Length + TransportCounters.EnvelopeBytes) && inner.TrySend(peer, tag, payload);

    public int Poll(Span<Completion> completions) => inner.Poll(completions);

    public void Release(in Completion received) => inner.Release(received);

    public void Wait(TimeSpan atMost) => inner.Wait(atMost < LongestWait ? atMost : LongestWait);

    public void Dispose() => inner.Dispose();
}
