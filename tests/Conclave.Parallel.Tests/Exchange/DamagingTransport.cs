using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>Damages one message that a rank sends, its tag or its payload, and leaves the world after it.</summary>
internal sealed class DamagingTransport(ITransport inner, int damaged, Random random) : ITransport
{
    private readonly NativeBuffer _memory = inner.Register(inner.MaxMessageBytes);
    private int _sent;

    public int Rank => inner.Rank;

    public int World => inner.World;

    public int MaxMessageBytes => inner.MaxMessageBytes;

    public TransportCounters Counters => inner.Counters;

    public NativeBuffer Register(nint bytes) => inner.Register(bytes);

    public bool TrySend(int peer, ulong tag, NativeSlice payload)
    {
        if (_sent < damaged || peer == Rank)
        {
            bool sent = inner.TrySend(peer, tag, payload);
            _sent += sent ? 1 : 0;
            return sent;
        }

        int length = random.Next(4) == 0 ? random.Next(payload.Length + 1) : payload.Length;
        NativeSlice copy = new(_memory, 0, length);
        payload.Span[..length].CopyTo(copy.Span);
        if (length > 0 && random.Next(3) > 0)
        {
            // Records begin with what describes them.
            copy.Span[random.Next(Math.Min(length, 16))] ^= (byte)(1 << random.Next(8));
        }
        else
        {
            tag ^= 1UL << random.Next(64);
        }

        if (!inner.TrySend(peer, tag, copy))
        {
            return false;
        }

        throw new DoneException();
    }

    public int Poll(Span<Completion> completions) => inner.Poll(completions);

    public void Release(in Completion received) => inner.Release(received);

    public void Wait(TimeSpan atMost) => inner.Wait(atMost);

    public void Dispose() => inner.Dispose();

    public sealed class DoneException : Exception;
}
