using System.Threading.Channels;

namespace Conclave.Server.Http;

/// <summary>Lets so many in at a time; the others wait, and the first one comes first.</summary>
internal sealed class Seats(int count)
{
    // Has an entry for each that is taken; others wait to write theirs.
    private readonly Channel<bool> _taken = Channel.CreateBounded<bool>(count);

    /// <summary>Waits for a seat; disposing what is returned, once, frees it.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited, and has no seat.</exception>
    public async ValueTask<Seat> TakeAsync(CancellationToken cancellation)
    {
        await _taken.Writer.WriteAsync(true, cancellation);
        return new Seat(this);
    }

    /// <summary>A seat that is taken.</summary>
    internal readonly struct Seat(Seats seats) : IDisposable
    {
        public void Dispose() => seats._taken.Reader.TryRead(out _);
    }
}
