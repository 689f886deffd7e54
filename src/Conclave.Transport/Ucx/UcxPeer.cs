namespace Conclave.Transport.Ucx;

/// <summary>What a rank shares with one peer: an endpoint, slots, credits and the numbers of messages.</summary>
internal sealed unsafe class UcxPeer
{
    private const ulong MessageTag = 1ul << 32;
    private const ulong CreditTag = 2ul << 32;

    private readonly UcxWorker _worker;
    private readonly int _self;
    private readonly TransportOptions _options;
    private readonly UcxSlot* _slots;
    private readonly UcxFailure* _failure;
    private readonly SendOrder _sends;
    private readonly int[] _idleCreditSends;
    private int _idleCreditSendCount;
    private nint _endpoint;
    private uint _messagesSent;
    private uint _messagesReceived;
    private uint _creditMessagesSent;
    private uint _creditMessagesReceived;

    /// <summary>A peer without endpoint. Its slots are, in order, message receives, message sends, sends of credits (as many as credits each) and receives of credits.</summary>
    public UcxPeer(UcxWorker worker, int self, int rank, TransportOptions options, UcxSlot* slots, UcxFailure* failure)
    {
        _worker = worker;
        _self = self;
        Rank = rank;
        _options = options;
        _slots = slots;
        _failure = failure;
        CreditsLeft = options.Credits;
        _sends = new SendOrder(options.Credits);
        _idleCreditSends = new int[options.Credits];
        for (int i = 0; i < options.Credits; i++)
        {
            PutIdle(_slots + (2 * options.Credits) + i);
        }
    }

    public int Rank { get; }

    /// <summary>Whether messages can be sent, credits aside.</summary>
    public bool IsConnected => _endpoint != 0;

    /// <summary>Why the peer is lost, null unless it is.</summary>
    public string? Lost { get; private set; }

    /// <summary>Whether the loss has been reported.</summary>
    public bool LossReported { get; set; }

    /// <summary>How many messages the peer has buffers for.</summary>
    public int CreditsLeft { get; private set; }

    /// <summary>How many of its messages were released that it has not been told of.</summary>
    public int CreditsOwed { get; set; }

    /// <summary>What UCX said when the endpoint failed.</summary>
    public sbyte Failure => _failure->Status;

    /// <summary>How many messages that only give credits can be under way: each gives at least one, but for the greeting and the farewell.</summary>
    public static int CreditReceives(int credits) => credits + 2;

    /// <summary>Slots of one peer.</summary>
    public static int SlotsFor(int credits) => (3 * credits) + CreditReceives(credits);

    /// <summary>The slot of a received message.</summary>
    public UcxSlot* ReceiveSlot(int buffer) => _slots + buffer;

    /// <returns>Why it cannot be reached; null where it can.</returns>
    public string? TryConnect(ReadOnlySpan<byte> address)
    {
        sbyte status = _worker.Connect(address, _failure, reportsFailures: Rank != _self, out nint endpoint);
        if (status != Ucp.Ok)
        {
            return $"could not be reached: {Words(status)}";
        }

        _endpoint = endpoint;
        return null;
    }

    /// <summary>Posts all receives.</summary>
    public void PostAll()
    {
        for (int i = 0; i < SlotsFor(_options.Credits); i++)
        {
            if (_slots[i].Kind is SlotKind.ReceiveMessage or SlotKind.ReceiveCredits)
            {
                Post(_slots + i);
            }
        }
    }

    /// <summary>Posts a receive.</summary>
    public void Post(UcxSlot* slot)
    {
        sbyte status = slot->Kind == SlotKind.ReceiveMessage
            ? _worker.Receive(slot, sizeof(Envelope) + _options.MaxMessageBytes, MessageTag | (uint)Rank)
            : _worker.Receive(slot, sizeof(Envelope), CreditTag | (uint)Rank);
        if (status != Ucp.Ok)
        {
            // It is lost with its peer when the mailbox is read.
            slot->Status = status;
            slot->Mailbox->Put(slot);
        }
    }

    /// <summary>Sends a message with the credits that are owed; false where there is no credit or no slot. An error comes as the slot's status.</summary>
    public bool TrySend(ulong tag, NativeSlice payload)
    {
        if (CreditsLeft == 0 || !_sends.TryBegin(out int index))
        {
            return false;
        }

        UcxSlot* slot = SendSlot(index);
        slot->Tag = tag;
        slot->Envelope = new Envelope { Tag = tag, Sequence = _messagesSent++, Credits = (ushort)CreditsOwed, Mark = Envelope.MarkOfVersion1 };
        Send(slot, payload, MessageTag);
        CreditsLeft--;
        return true;
    }

    /// <summary>Gives the credits that are owed, in a message of their own; false where all slots for such messages are under way.</summary>
    public bool TryTellCredits(ushort mark)
    {
        if (_idleCreditSendCount == 0)
        {
            return false;
        }

        UcxSlot* slot = _slots + (2 * _options.Credits) + _idleCreditSends[--_idleCreditSendCount];
        slot->Envelope = new Envelope { Sequence = _creditMessagesSent++, Credits = (ushort)CreditsOwed, Mark = mark };
        Send(slot, default, CreditTag);
        return true;
    }

    /// <summary>Notes that a message has left; <see cref="TryEndSend"/> says when that may be told.</summary>
    public void Leave(UcxSlot* slot) => _sends.Leave(slot->Index);

    /// <summary>Gives the slot of the earliest message back, if that has left.</summary>
    public bool TryEndSend(out ulong tag)
    {
        bool ended = _sends.TryEnd(out int index);
        UcxSlot* slot = SendSlot(index);
        tag = slot->Tag;
        if (ended)
        {
            slot->State = SlotState.Idle;
        }

        return ended;
    }

    /// <summary>Gives a slot for sending credits back.</summary>
    public void PutIdle(UcxSlot* slot)
    {
        slot->State = SlotState.Idle;
        _idleCreditSends[_idleCreditSendCount++] = slot->Index;
    }

    /// <summary>Takes the credits that a received message brings, or says what is wrong with the message or the peer.</summary>
    public string? Accept(UcxSlot* slot)
    {
        bool carries = slot->Kind == SlotKind.ReceiveMessage;
        if (slot->Status != Ucp.Ok)
        {
            return Words(slot->Status);
        }

        if (slot->Length < (nuint)sizeof(Envelope) || slot->Length > (nuint)(sizeof(Envelope) + (carries ? _options.MaxMessageBytes : 0)))
        {
            return $"sent a message of {slot->Length} bytes, which cannot be one";
        }

        Envelope envelope = *(Envelope*)slot->Memory;
        uint due = carries ? _messagesReceived : _creditMessagesReceived;
        bool farewell = !carries && envelope.Mark == Envelope.MarkOfFarewell;
        if ((envelope.Mark != Envelope.MarkOfVersion1 && !farewell) || envelope.Sequence != due)
        {
            return $"sent message {envelope.Sequence} with mark 0x{envelope.Mark:x} where number {due} was due";
        }

        if (farewell)
        {
            return "closed its transport";
        }

        int spent = _options.Credits - CreditsLeft;
        if (envelope.Credits > spent || (!carries && envelope.Credits == 0 && due != 0))
        {
            return $"gave {envelope.Credits} credits back, of {spent} that it had been sent";
        }

        CreditsLeft += envelope.Credits;
        _messagesReceived += carries ? 1u : 0;
        _creditMessagesReceived += carries ? 0 : 1u;
        return null;
    }

    /// <summary>Ends all that is under way with the peer, for ever. Its slots come to the mailbox.</summary>
    public void Lose(string reason)
    {
        Lost = reason;
        CreditsOwed = 0;
        for (int i = 0; i < SlotsFor(_options.Credits); i++)
        {
            UcxSlot* slot = _slots + i;
            if (slot->Kind is SlotKind.ReceiveMessage or SlotKind.ReceiveCredits && slot->State == SlotState.Posted)
            {
                _worker.Cancel(slot);
            }
        }

        nint request = Close(force: true);
        if (request != 0)
        {
            Ucp.RequestFree(request);
        }
    }

    /// <summary>Closes the endpoint; 0 where that is done, else UCX's request.</summary>
    public nint Close(bool force)
    {
        nint endpoint = _endpoint;
        _endpoint = 0;
        return endpoint == 0 ? 0 : UcxWorker.Close(endpoint, force);
    }

    /// <summary>A status as the end of a sentence about a peer.</summary>
    public static string Words(sbyte status) => status == Ucp.ErrMessageTruncated
        ? "sent a message longer than the world's messages may be"
        : $"cannot be reached any more ({Ucp.Describe(status)})";

    private UcxSlot* SendSlot(int index) => _slots + _options.Credits + index;

    private void Send(UcxSlot* slot, NativeSlice payload, ulong tag)
    {
        CreditsOwed = 0;
        sbyte status = _worker.Send(_endpoint, slot, payload, tag | (uint)_self);
        if (status != Ucp.Ok)
        {
            slot->Status = status;
            slot->Mailbox->Put(slot);
        }
    }
}
