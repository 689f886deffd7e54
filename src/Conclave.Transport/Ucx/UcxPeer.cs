namespace Conclave.Transport.Ucx;

/// <summary>What a rank knows about one peer.</summary>
internal sealed unsafe class UcxPeer
{
    private readonly UcxSlot* _slots;
    private readonly int _credits;
    private readonly int[] _idleSends;
    private readonly int[] _idleCreditSends;
    private int _idleSendCount;
    private int _idleCreditSendCount;

    /// <summary>A peer without endpoint. Its slots are, in order, message receives, message sends, sends of credits (as many as credits each) and receives of credits (one more).</summary>
    public UcxPeer(int rank, UcxSlot* slots, UcxFailure* failure, int credits)
    {
        Rank = rank;
        _slots = slots;
        _credits = credits;
        Failure = failure;
        CreditsLeft = credits;
        _idleSends = new int[credits];
        _idleCreditSends = new int[credits];
        for (int i = 0; i < credits; i++)
        {
            PutIdle(Slot(SlotKind.SendMessage, i));
            PutIdle(Slot(SlotKind.SendCredits, i));
        }
    }

    public int Rank { get; }

    /// <summary>UCX's endpoint, 0 where there is none.</summary>
    public nint Endpoint { get; set; }

    public UcxFailure* Failure { get; }

    /// <summary>Why the peer is lost, null unless it is.</summary>
    public string? Lost { get; set; }

    /// <summary>Whether the loss has been reported.</summary>
    public bool LossReported { get; set; }

    /// <summary>How many messages the peer has buffers for.</summary>
    public int CreditsLeft { get; set; }

    /// <summary>How many of its messages were released that it has not been told of.</summary>
    public int CreditsOwed { get; set; }

    public uint MessagesSent { get; set; }

    public uint MessagesReceived { get; set; }

    public uint CreditMessagesSent { get; set; }

    public uint CreditMessagesReceived { get; set; }

    /// <summary>Slots of one peer.</summary>
    public static int SlotsFor(int credits) => (4 * credits) + 1;

    /// <summary>How many slots of a kind there are.</summary>
    public int CountOf(SlotKind kind) => kind == SlotKind.ReceiveCredits ? _credits + 1 : _credits;

    /// <summary>A slot by its kind and number.</summary>
    public UcxSlot* Slot(SlotKind kind, int index) => _slots + index + kind switch
    {
        SlotKind.ReceiveMessage => 0,
        SlotKind.SendMessage => _credits,
        SlotKind.SendCredits => 2 * _credits,
        _ => 3 * _credits,
    };

    /// <summary>Takes a slot for sending; null where all are under way.</summary>
    public UcxSlot* TakeIdle(SlotKind kind)
    {
        if (kind == SlotKind.SendMessage)
        {
            return _idleSendCount == 0 ? null : Slot(kind, _idleSends[--_idleSendCount]);
        }

        return _idleCreditSendCount == 0 ? null : Slot(kind, _idleCreditSends[--_idleCreditSendCount]);
    }

    /// <summary>Gives a slot for sending back.</summary>
    public void PutIdle(UcxSlot* slot)
    {
        slot->State = SlotState.Idle;
        if (slot->Kind == SlotKind.SendMessage)
        {
            _idleSends[_idleSendCount++] = slot->Index;
        }
        else
        {
            _idleCreditSends[_idleCreditSendCount++] = slot->Index;
        }
    }
}
