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
    private const ulong MessageTag = 1ul << 32;
    private const ulong CreditTag = 2ul << 32;

    private static readonly TimeSpan YieldBeforeSleep = TimeSpan.FromMicroseconds(200);
    private static readonly TimeSpan MostLinger = TimeSpan.FromSeconds(1);

    private readonly TransportOptions _options;
    private readonly UcxWorker _worker;
    private readonly UcxMemory _memory;
    private readonly UcxMailbox* _mailbox;
    private readonly UcxPeer[] _peers;
    private readonly List<NativeBuffer> _registered = [];
    private readonly byte[] _address;
    private readonly int _owedBeforeTold;
    private int _peersOwed;
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
        _memory = new UcxMemory(World, options);
        _mailbox = _memory.Mailbox;
        _peers = _memory.Peers;
        try
        {
            _worker = new UcxWorker(World);
        }
        catch
        {
            _memory.Dispose();
            throw;
        }

        _address = UcxAddress.Write(rank, options, _worker.Address);
        foreach (UcxPeer peer in _peers)
        {
            PostAll(peer, SlotKind.ReceiveMessage);
            PostAll(peer, SlotKind.ReceiveCredits);
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

    /// <summary>Makes an endpoint to every rank and greets it, so that its death is noticed from now on. The peers need not have connected yet.</summary>
    /// <param name="addresses">The <see cref="LocalAddress"/> of every rank, this one included, in the order of ranks, from a source that can be trusted.</param>
    /// <exception cref="UserErrorException">An address is not one of this world.</exception>
    /// <exception cref="InvalidOperationException">The transport is connected already, or UCX refused.</exception>
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
            peer.Endpoint = _worker.Connect(UcxAddress.Read(addresses[peer.Rank], peer.Rank, _options), peer.Failure, reportsFailures: peer.Rank != Rank);
            TellCredits(peer);
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
        UcxPeer to = _peers[peer];
        if (to.Lost is not null || to.CreditsLeft == 0 || to.Endpoint == 0)
        {
            return false;
        }

        UcxSlot* slot = to.TakeIdle(SlotKind.SendMessage);
        if (slot is null)
        {
            return false;
        }

        slot->Tag = tag;
        slot->Envelope = EnvelopeFor(to, tag, to.MessagesSent);
        sbyte status = _worker.Send(to.Endpoint, slot, payload, MessageTag | (uint)Rank);
        if (status != Ucp.Ok)
        {
            to.PutIdle(slot);
            Lose(to, Words(status));
            return false;
        }

        to.MessagesSent++;
        to.CreditsLeft--;
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
        while (count < completions.Length && !_mailbox->IsEmpty)
        {
            count += TryReport(_mailbox->Take(), out completions[count]) ? 1 : 0;
        }

        if (_mailbox->Failures != _failuresSeen)
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
            TellAllCredits();
        }

        return count;
    }

    /// <inheritdoc/>
    public void Release(in Completion received)
    {
        UcxPeer peer = _peers[received.Peer];
        UcxSlot* slot = received.Kind == CompletionKind.Received ? peer.Slot(SlotKind.ReceiveMessage, received.Buffer) : null;
        if (slot is null || slot->State != SlotState.Held)
        {
            throw new InvalidOperationException("only a received message can be released, and only once");
        }

        slot->State = SlotState.Idle;
        if (peer.Lost is not null)
        {
            return;
        }

        Post(peer, slot);
        _peersOwed += peer.CreditsOwed == 0 ? 1 : 0;
        peer.CreditsOwed++;
        if (peer.CreditsOwed >= _owedBeforeTold)
        {
            TellCredits(peer);
        }
    }

    /// <inheritdoc/>
    public void Wait(TimeSpan atMost)
    {
        TellAllCredits();
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
                _worker.Sleep(atMost - waited);
            }
        }
    }

    /// <summary>
    /// Waits until the peers have released what was sent to them, for a second at most, then leaves. Peers that are still there see this rank fail.
    /// </summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        long start = Stopwatch.GetTimestamp();
        Linger(() => Array.TrueForAll(_peers, peer => peer.Endpoint == 0 || peer.Rank == Rank || peer.CreditsLeft == _options.Credits), start);
        nint[] closing = [.. _peers.Where(peer => peer.Endpoint != 0).Select(peer => UcxWorker.Close(peer.Endpoint, force: false)).Where(request => request != 0)];
        Linger(() => Array.TrueForAll(closing, request => Ucp.RequestCheckStatus(request) != Ucp.InProgress), start);
        Array.ForEach(closing, Ucp.RequestFree);
        _worker.Dispose();
        _memory.Dispose();
        _registered.ForEach(buffer => buffer.Dispose());
    }

    private bool MayReport => !_mailbox->IsEmpty || _mailbox->Failures != _failuresSeen || _lossesToReport > 0;

    private void Linger(Func<bool> isDone, long start)
    {
        Completion[] ignored = new Completion[16];
        while (true)
        {
            int count = Poll(ignored);
            foreach (Completion completion in ignored.AsSpan(0, count))
            {
                if (completion.Kind == CompletionKind.Received)
                {
                    Release(completion);
                }
            }

            if (isDone() || Stopwatch.GetElapsedTime(start) >= MostLinger)
            {
                return;
            }

            Thread.Yield();
        }
    }

    private void PostAll(UcxPeer peer, SlotKind kind)
    {
        for (int i = 0; i < peer.CountOf(kind); i++)
        {
            Post(peer, peer.Slot(kind, i));
        }
    }

    private void Post(UcxPeer peer, UcxSlot* slot)
    {
        sbyte status = slot->Kind == SlotKind.ReceiveMessage
            ? _worker.Receive(slot, sizeof(Envelope) + MaxMessageBytes, MessageTag | (uint)peer.Rank)
            : _worker.Receive(slot, sizeof(Envelope), CreditTag | (uint)peer.Rank);
        if (status != Ucp.Ok)
        {
            slot->State = SlotState.Idle;
            Lose(peer, Words(status));
        }
    }

    private Envelope EnvelopeFor(UcxPeer peer, ulong tag, uint sequence)
    {
        Envelope envelope = new() { Tag = tag, Sequence = sequence, Credits = (ushort)peer.CreditsOwed, Mark = Envelope.MarkOfVersion1 };
        _peersOwed -= peer.CreditsOwed > 0 ? 1 : 0;
        peer.CreditsOwed = 0;
        return envelope;
    }

    private void TellAllCredits()
    {
        for (int peer = 0; peer < World && _peersOwed > 0; peer++)
        {
            if (_peers[peer].CreditsOwed > 0)
            {
                TellCredits(_peers[peer]);
            }
        }
    }

    private void TellCredits(UcxPeer peer)
    {
        UcxSlot* slot = peer.Lost is null && peer.Endpoint != 0 ? peer.TakeIdle(SlotKind.SendCredits) : null;
        if (slot is null)
        {
            return;
        }

        slot->Envelope = EnvelopeFor(peer, 0, peer.CreditMessagesSent);
        sbyte status = _worker.Send(peer.Endpoint, slot, default, CreditTag | (uint)Rank);
        if (status != Ucp.Ok)
        {
            peer.PutIdle(slot);
            Lose(peer, Words(status));
            return;
        }

        peer.CreditMessagesSent++;
        Counters.CountCreditsSent(peer.Rank);
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
            bool report = slot->Kind == SlotKind.SendMessage && slot->Status == Ucp.Ok;
            completion = report ? Completion.Sent(peer.Rank, slot->Tag) : default;
            peer.PutIdle(slot);
            if (slot->Status != Ucp.Ok)
            {
                Lose(peer, Words(slot->Status));
            }

            return report;
        }

        string? wrong = slot->Status != Ucp.Ok ? Words(slot->Status) : Accept(peer, slot);
        if (wrong is not null)
        {
            slot->State = SlotState.Idle;
            Lose(peer, wrong);
            return false;
        }

        if (slot->Kind == SlotKind.ReceiveCredits)
        {
            Counters.CountCreditsReceived(peer.Rank);
            Post(peer, slot);
            return false;
        }

        slot->State = SlotState.Held;
        NativeSlice payload = new(slot->Memory + sizeof(Envelope), (int)slot->Length - sizeof(Envelope));
        Counters.CountReceived(peer.Rank, payload.Length);
        completion = Completion.Received(peer.Rank, ((Envelope*)slot->Memory)->Tag, payload, slot->Index);
        return true;
    }

    // Says what is wrong with a received message, or takes the credits it brings.
    private string? Accept(UcxPeer peer, UcxSlot* slot)
    {
        bool carries = slot->Kind == SlotKind.ReceiveMessage;
        if (slot->Length < (nuint)sizeof(Envelope) || slot->Length > (nuint)(sizeof(Envelope) + (carries ? MaxMessageBytes : 0)))
        {
            return $"sent a message of {slot->Length} bytes, which cannot be one";
        }

        Envelope envelope = *(Envelope*)slot->Memory;
        uint due = carries ? peer.MessagesReceived : peer.CreditMessagesReceived;
        if (envelope.Mark != Envelope.MarkOfVersion1 || envelope.Sequence != due)
        {
            return $"sent message {envelope.Sequence} with mark 0x{envelope.Mark:x} where number {due} was due";
        }

        if (envelope.Credits > _options.Credits - peer.CreditsLeft || (!carries && envelope.Credits == 0 && due != 0))
        {
            return $"gave {envelope.Credits} credits back, of {_options.Credits - peer.CreditsLeft} that it had been sent";
        }

        peer.CreditsLeft += envelope.Credits;
        if (carries)
        {
            peer.MessagesReceived++;
        }
        else
        {
            peer.CreditMessagesReceived++;
        }

        return null;
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
            if (peer.Failure->Status != Ucp.Ok)
            {
                Lose(peer, Words(peer.Failure->Status));
            }
        }
    }

    private void Lose(UcxPeer peer, string reason)
    {
        if (peer.Lost is not null)
        {
            return;
        }

        peer.Lost = reason;
        _lossesToReport++;
        _peersOwed -= peer.CreditsOwed > 0 ? 1 : 0;
        peer.CreditsOwed = 0;
        CancelAll(peer, SlotKind.ReceiveMessage);
        CancelAll(peer, SlotKind.ReceiveCredits);
        if (peer.Endpoint == 0)
        {
            return;
        }

        nint request = UcxWorker.Close(peer.Endpoint, force: true);
        peer.Endpoint = 0;
        if (request != 0)
        {
            Ucp.RequestFree(request);
        }
    }

    private void CancelAll(UcxPeer peer, SlotKind kind)
    {
        for (int i = 0; i < peer.CountOf(kind); i++)
        {
            UcxSlot* slot = peer.Slot(kind, i);
            if (slot->State == SlotState.Posted && slot->Request != 0)
            {
                _worker.Cancel(slot);
            }
        }
    }

    private static string Words(sbyte status) => status == Ucp.ErrMessageTruncated
        ? "sent a message longer than the world's messages may be"
        : $"cannot be reached any more ({Ucp.Describe(status)})";
}
