using System.Diagnostics;
using Conclave.Primitives;

namespace Conclave.Transport.Ucx;

/// <summary>
/// One rank of a world of processes, on this host or others, over UCX: shared memory inside a host, TCP or RDMA between hosts. Every message has a receive posted before it can be sent, so
/// UCX queues nothing; what comes in spite of that is thrown away, and its sender is lost. The payload's memory is read until the message is reported as sent. After a peer's loss the transport
/// still serves the others, but a world that goes on without the peer should make new transports.
/// </summary>
public sealed unsafe class UcxTransport : ITransport
{
    private const int ProgressCallsInPoll = 16;

    private static readonly TimeSpan YieldBeforeSleep = TimeSpan.FromMicroseconds(200);
    private static readonly TimeSpan MostLinger = TimeSpan.FromSeconds(1);

    // Five milliseconds. Credits travel with the next message, of which there is nearly always one soon; a message of their own wakes its receiver for nothing. Fewer than half of them can wait.
    private static readonly long LongestUntold = Stopwatch.Frequency / 200;

    private readonly TransportOptions _options;
    private readonly UcxWorker _worker;
    private readonly UcxMemory _memory;
    private readonly UcxMailbox* _mailbox;
    private readonly UcxPeer[] _peers;
    private readonly List<NativeBuffer> _registered = [];
    private readonly byte[] _address;
    private readonly int _owedBeforeTold;
    private UcxPeer? _leaving;
    private bool _mayOwe;
    private long _tellFrom;
    private int _failuresSeen;
    private int _lossesToReport;
    private bool _connected;
    private bool _disposed;

    /// <summary>Loads UCX and posts this rank's receives.</summary>
    /// <exception cref="UserErrorException">UCX is not installed.</exception>
    /// <exception cref="InvalidOperationException">UCX refused.</exception>
    public UcxTransport(Topology topology, int rank, TransportOptions options)
    {
        options.Validate();
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)rank, (uint)topology.World, nameof(rank));
        UcxLibrary.Require();
        _options = options;
        _owedBeforeTold = (options.Credits + 1) / 2;
        Rank = rank;
        World = topology.World;
        MaxMessageBytes = options.MaxMessageBytes;
        Counters = new TransportCounters(topology, rank);
        _worker = new UcxWorker(World);
        try
        {
            _memory = new UcxMemory(_worker, rank, World, options);
            _mailbox = _memory.Mailbox;
            _peers = _memory.Peers;
            _address = UcxAddress.Write(rank, options, _worker.Address);
            Array.ForEach(_peers, peer => peer.PostAll());
        }
        catch
        {
            // UCX may write to the memory until the worker is gone.
            _worker.Dispose();
            _memory?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int World { get; }

    /// <inheritdoc/>
    public int MaxMessageBytes { get; }

    /// <inheritdoc/>
    public TransportCounters Counters { get; }

    /// <summary>What the peers need to reach this rank; see <see cref="Connect"/>.</summary>
    public ReadOnlySpan<byte> LocalAddress => _address;

    private bool MayReport => !_mailbox->IsEmpty || _leaving is not null || _mailbox->Failures != _failuresSeen || _lossesToReport > 0;

    /// <summary>Makes an endpoint to every rank and greets it, so that its death is noticed from now on. The peers need not have connected yet. One that UCX cannot reach is lost.</summary>
    /// <param name="addresses">The <see cref="LocalAddress"/> of every rank, this one included, in the order of ranks, from a source that can be trusted.</param>
    /// <exception cref="UserErrorException">An address is not one of this world.</exception>
    /// <exception cref="InvalidOperationException">The transport is connected already.</exception>
    public void Connect(IReadOnlyList<byte[]> addresses)
    {
        if (_connected)
        {
            throw new InvalidOperationException("the transport is connected already");
        }

        if (addresses.Count != World)
        {
            throw new UserErrorException($"there are {addresses.Count} addresses for a world of {World} ranks; give one for each rank");
        }

        for (int rank = 0; rank < World; rank++)
        {
            UcxAddress.Read(addresses[rank], rank, _options);
        }

        _connected = true;
        foreach (UcxPeer peer in _peers)
        {
            // It may have sent garbage already.
            if (peer.Lost is null)
            {
                if (peer.TryConnect(UcxAddress.Read(addresses[peer.Rank], peer.Rank, _options)) is string reason)
                {
                    Lose(peer, reason);
                }

                TellCredits(peer, Envelope.MarkOfVersion1);
            }
        }
    }

    /// <inheritdoc/>
    public NativeBuffer Register(nint bytes)
    {
        NativeBuffer buffer = new(bytes);
        _registered.Add(buffer);
        return buffer;
    }

    /// <inheritdoc/>
    public bool TrySend(int peer, ulong tag, NativeSlice payload)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)peer, (uint)World, nameof(peer));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, MaxMessageBytes, nameof(payload));
        if (!_peers[peer].IsConnected || !_peers[peer].TrySend(tag, payload))
        {
            return false;
        }

        Counters.CountSent(peer, payload.Length);
        return true;
    }

    /// <inheritdoc/>
    public int Poll(Span<Completion> completions)
    {
        for (int i = 0; i < ProgressCallsInPoll && _worker.Progress(); i++)
        {
        }

        RefuseUnexpected();
        int count = 0;
        while (count < completions.Length && (_leaving is not null || !_mailbox->IsEmpty))
        {
            bool reported = _leaving is { } peer ? TryReportSent(peer, out completions[count]) : TryReport(_mailbox->Take(), out completions[count]);
            count += reported ? 1 : 0;
        }

        // What arrived before a failure is reported before it.
        if (_mailbox->IsEmpty && _mailbox->Failures != _failuresSeen)
        {
            NoteFailures();
        }

        for (int peer = 0; peer < World && _lossesToReport > 0 && _mailbox->IsEmpty && count < completions.Length; peer++)
        {
            if (_peers[peer] is { Lost: string reason, LossReported: false } lost)
            {
                lost.LossReported = true;
                _lossesToReport--;
                completions[count++] = Completion.PeerFailed(peer, reason);
            }
        }

        if (count == 0)
        {
            TellOldCredits();
        }

        return count;
    }

    /// <inheritdoc/>
    public void Release(in Completion received)
    {
        UcxSlot* slot = received.Kind == CompletionKind.Received ? _peers[received.Peer].ReceiveSlot(received.Buffer) : null;
        if (slot is null || slot->State != SlotState.Held)
        {
            throw new InvalidOperationException("only a received message can be released, and only once");
        }

        UcxPeer peer = _peers[received.Peer];
        slot->State = SlotState.Idle;
        if (peer.Lost is not null)
        {
            return;
        }

        peer.Post(slot);
        peer.CreditsOwed++;
        if (!_mayOwe)
        {
            _mayOwe = true;
            _tellFrom = Stopwatch.GetTimestamp() + LongestUntold;
        }

        if (peer.CreditsOwed >= _owedBeforeTold && !TellCredits(peer, Envelope.MarkOfVersion1))
        {
            // The peer may have none left: as soon as there is a slot.
            _tellFrom = 0;
        }
    }

    /// <inheritdoc/>
    public void Wait(TimeSpan atMost)
    {
        long start = Stopwatch.GetTimestamp();
        TimeSpan yield = atMost < YieldBeforeSleep ? atMost : YieldBeforeSleep;
        while (!MayReport)
        {
            _worker.Progress();
            TimeSpan waited = Stopwatch.GetElapsedTime(start);
            if (MayReport || waited >= atMost)
            {
                return;
            }

            if (waited < yield)
            {
                Thread.Yield();
            }
            else
            {
                TimeSpan untold = TellOldCredits();
                _worker.Sleep(untold < atMost - waited ? untold : atMost - waited);
            }
        }
    }

    /// <summary>Waits until the peers have released what was sent to them, for a second at most, then says farewell: peers that are still there see this rank fail.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        TellAllCredits();
        UcxPeer[] others = [.. _peers.Where(peer => peer.Rank != Rank)];
        long start = Stopwatch.GetTimestamp();
        Linger(() => Array.TrueForAll(others, peer => !peer.IsConnected || peer.CreditsLeft == _options.Credits), start);

        // The slots for such messages may all be under way, as they are when a rank leaves soon.
        List<UcxPeer> untold = [.. others];
        Linger(() => SayFarewell(untold), start);
        nint[] closing = [.. _peers.Select(peer => peer.Close(force: false)).Where(request => request != 0)];
        Linger(() => Array.TrueForAll(closing, request => Ucp.RequestCheckStatus(request) != Ucp.InProgress), start);
        Array.ForEach(closing, Ucp.RequestFree);
        _worker.Dispose();
        _memory.Dispose();
        _registered.ForEach(buffer => buffer.Dispose());
    }

    /// <returns>Whether all know.</returns>
    private bool SayFarewell(List<UcxPeer> untold)
    {
        untold.RemoveAll(peer => !peer.IsConnected || TellCredits(peer, Envelope.MarkOfFarewell));
        return untold.Count == 0;
    }

    private void Linger(Func<bool> isDone, long start)
    {
        Completion[] ignored = new Completion[16];
        while (!isDone() && Stopwatch.GetElapsedTime(start) < MostLinger)
        {
            foreach (ref readonly Completion completion in ignored.AsSpan(0, Poll(ignored)))
            {
                if (completion.Kind == CompletionKind.Received)
                {
                    Release(completion);
                }
            }

            Thread.Yield();
        }

        TellAllCredits();
    }

    /// <returns>After what time to ask again, unless something happens before.</returns>
    private TimeSpan TellOldCredits()
    {
        if (!_mayOwe)
        {
            return TimeSpan.MaxValue;
        }

        long now = Stopwatch.GetTimestamp();
        if (now < _tellFrom)
        {
            return Stopwatch.GetElapsedTime(now, _tellFrom);
        }

        TellAllCredits();
        return TimeSpan.MaxValue;
    }

    private void TellAllCredits()
    {
        if (!_mayOwe)
        {
            return;
        }

        _mayOwe = false;
        foreach (UcxPeer peer in _peers)
        {
            _mayOwe |= peer.CreditsOwed > 0 && !TellCredits(peer, Envelope.MarkOfVersion1);
        }
    }

    private bool TellCredits(UcxPeer peer, ushort mark)
    {
        bool told = peer.IsConnected && peer.TryTellCredits(mark);
        if (told)
        {
            Counters.CountCreditsSent(peer.Rank);
        }

        return told;
    }

    private bool TryReport(UcxSlot* slot, out Completion completion)
    {
        completion = default;
        UcxPeer peer = _peers[slot->Peer];
        if (peer.Lost is not null)
        {
            slot->State = SlotState.Idle;
            return false;
        }

        if (slot->Kind is SlotKind.SendMessage or SlotKind.SendCredits)
        {
            if (slot->Status != Ucp.Ok)
            {
                slot->State = SlotState.Idle;
                Lose(peer, UcxPeer.Words(slot->Status));
            }
            else if (slot->Kind == SlotKind.SendMessage)
            {
                peer.Leave(slot);
                _leaving = peer;
            }
            else
            {
                peer.PutIdle(slot);
            }

            return false;
        }

        if (peer.Accept(slot) is string wrong)
        {
            slot->State = SlotState.Idle;
            Lose(peer, wrong);
            return false;
        }

        if (slot->Kind == SlotKind.ReceiveCredits)
        {
            Counters.CountCreditsReceived(peer.Rank);
            peer.Post(slot);
            return false;
        }

        slot->State = SlotState.Held;
        NativeSlice payload = new(slot->Memory + sizeof(Envelope), (int)slot->Length - sizeof(Envelope));
        Counters.CountReceived(peer.Rank, payload.Length);
        completion = Completion.Received(peer.Rank, ((Envelope*)slot->Memory)->Tag, payload, slot->Index);
        return true;
    }

    /// <summary>Reports the earliest message to a peer of which a message has left, if it is that one or one that left before its turn.</summary>
    private bool TryReportSent(UcxPeer peer, out Completion completion)
    {
        ulong tag = 0;
        bool ended = peer.Lost is null && peer.TryEndSend(out tag);
        completion = ended ? Completion.Sent(peer.Rank, tag) : default;
        _leaving = ended ? peer : null;
        return ended;
    }

    private void RefuseUnexpected()
    {
        while (_worker.TryRefuse(out ulong tag))
        {
            ulong rank = tag & uint.MaxValue;
            if (rank < (ulong)World)
            {
                Lose(_peers[rank], $"sent a message with tag 0x{tag:x}, for which nothing was posted");
            }
        }
    }

    private void NoteFailures()
    {
        _failuresSeen = _mailbox->Failures;
        foreach (UcxPeer peer in _peers)
        {
            if (peer.Failure != Ucp.Ok)
            {
                Lose(peer, UcxPeer.Words(peer.Failure));
            }
        }
    }

    private void Lose(UcxPeer peer, string reason)
    {
        if (peer.Lost is null)
        {
            peer.Lose(reason);
            _lossesToReport++;
        }
    }
}
