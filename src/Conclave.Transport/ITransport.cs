using Conclave.Primitives;

namespace Conclave.Transport;

/// <summary>
/// One rank's end of a world in which every rank sends messages of bounded size to every other, itself included. Messages of one pair of ranks arrive once, intact
/// and in order; nothing is said about the order between pairs. A pair has a fixed number of message buffers at its receiver (<see cref="TransportOptions.Credits"/>): who has used them
/// up sends nothing until the receiver has given one back, so no queue grows without bound. A transport belongs to one thread, which makes progress by calling
/// <see cref="Poll"/>; only <see cref="Counters"/> may be read by others.
/// </summary>
public interface ITransport : IDisposable
{
    /// <summary>The number of this rank, from 0.</summary>
    int Rank { get; }

    /// <summary>The number of ranks.</summary>
    int World { get; }

    /// <summary>The longest payload of a message in bytes.</summary>
    int MaxMessageBytes { get; }

    /// <summary>Bytes and messages so far, for each peer.</summary>
    TransportCounters Counters { get; }

    /// <summary>Zeroed memory that payloads may be sent from. The transport owns it and frees it when it is disposed, after the last send has ended.</summary>
    NativeBuffer Register(nint bytes);

    /// <summary>
    /// Sends a message, or does nothing and returns false where the peer has no buffer free for it now, or has failed. The payload must lie in memory from <see cref="Register"/> and stay as it
    /// is until <see cref="CompletionKind.Sent"/> (in the order of sending for each peer) or the peer's failure is reported.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such peer, or the payload is longer than <see cref="MaxMessageBytes"/>.</exception>
    bool TrySend(int peer, ulong tag, NativeSlice payload);

    /// <summary>
    /// Makes progress and reports what has happened since the last call, as much as fits; the rest stays for the next call. Never blocks. Returns how many completions were written.
    /// </summary>
    int Poll(Span<Completion> completions);

    /// <summary>Gives the buffer of a received message back, which lets its sender send another. The payload must not be read afterwards. Messages may be released in any order.</summary>
    /// <exception cref="InvalidOperationException">The completion is no received message, or was released before.</exception>
    void Release(in Completion received);

    /// <summary>
    /// For a rank that has nothing to do until a peer acts: returns when <see cref="Poll"/> may have something to report or a send may succeed that had not, and at the latest after the given
    /// time. Yields the core first, then sleeps. May return early.
    /// </summary>
    void Wait(TimeSpan atMost);
}
