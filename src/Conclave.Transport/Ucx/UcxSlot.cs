using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Conclave.Transport.Ucx;

/// <summary>What a slot's operation is.</summary>
internal enum SlotKind : byte
{
    ReceiveMessage,
    ReceiveCredits,
    SendMessage,
    SendCredits,
}

/// <summary>Where a slot is.</summary>
internal enum SlotState : byte
{
    /// <summary>Nothing is under way.</summary>
    Idle,

    /// <summary>UCX has it.</summary>
    Posted,

    /// <summary>UCX is done with it; it is in the mailbox.</summary>
    Completed,

    /// <summary>A received message that was reported and not released.</summary>
    Held,
}

/// <summary>One operation with UCX that is posted again and again. It lies in native memory: callbacks write to it and to the mailbox, and to nothing else, so they cannot throw.</summary>
internal unsafe struct UcxSlot
{
    public UcxSlot* Next;
    public UcxMailbox* Mailbox;
    public nint Request;
    public byte* Memory;
    public nuint Length;
    public ulong Tag;
    public int Peer;
    public int Index;
    public SlotKind Kind;
    public SlotState State;
    public sbyte Status;
    public Envelope Envelope;
    public UcpDtIov FirstPart;
    public UcpDtIov SecondPart;

    /// <summary>Called by UCX when a message has been received, or will not be.</summary>
    [UnmanagedCallersOnly]
    public static void OnReceived(void* request, sbyte status, UcpTagRecvInfo* info, void* slot) => 
        Complete((UcxSlot*)slot, request, status, status == Ucp.Ok ? info->Length : 0);

    /// <summary>Called by UCX when a message has left, or will not.</summary>
    [UnmanagedCallersOnly]
    public static void OnSent(void* request, sbyte status, void* slot) => Complete((UcxSlot*)slot, request, status, 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Complete(UcxSlot* slot, void* request, sbyte status, nuint length)
    {
        Ucp.RequestFree((nint)request);
        slot->Status = status;
        slot->Length = length;
        slot->Mailbox->Put(slot);
    }
}

/// <summary>What UCX has done since it was last looked at: slots in the order of their completion, and how many peers failed. One thread uses it, in its own calls and in callbacks.</summary>
internal unsafe struct UcxMailbox
{
    private UcxSlot* _first;
    private UcxSlot* _last;

    /// <summary>Grows with each peer that fails.</summary>
    public int Failures;

    /// <summary>Whether no slot is in it.</summary>
    public readonly bool IsEmpty => _first is null;

    /// <summary>Adds a slot; a slot is in it once at most.</summary>
    public void Put(UcxSlot* slot)
    {
        slot->Next = null;
        slot->Request = 0;
        slot->State = SlotState.Completed;
        if (_first is null)
        {
            _first = slot;
        }
        else
        {
            _last->Next = slot;
        }

        _last = slot;
    }

    /// <summary>Takes the oldest slot, null where there is none.</summary>
    public UcxSlot* Take()
    {
        UcxSlot* slot = _first;
        if (slot is not null)
        {
            _first = slot->Next;
        }

        return slot;
    }
}

/// <summary>Where UCX notes that a peer failed.</summary>
internal unsafe struct UcxFailure
{
    public UcxMailbox* Mailbox;
    public sbyte Status;

    /// <summary>Called by UCX when an endpoint can no longer be used.</summary>
    [UnmanagedCallersOnly]
    public static void OnFailure(void* failure, nint endpoint, sbyte status)
    {
        UcxFailure* peer = (UcxFailure*)failure;
        if (peer->Status == Ucp.Ok)
        {
            peer->Status = status;
            peer->Mailbox->Failures++;
        }
    }
}
