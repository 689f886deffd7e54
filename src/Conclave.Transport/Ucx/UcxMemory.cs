using Conclave.Primitives;

namespace Conclave.Transport.Ucx;

/// <summary>The native memory of a rank: its mailbox, slots and message buffers. UCX may write to it until the worker is destroyed, also for a peer that died halfway through a message.</summary>
internal sealed unsafe class UcxMemory : IDisposable
{
    private const int Alignment = 64;
    private const int MailboxBytes = 64;

    private readonly NativeBuffer _control;
    private readonly NativeBuffer _messages;

    public UcxMemory(UcxWorker worker, int rank, int world, TransportOptions options)
    {
        int credits = options.Credits;
        int slotsEach = UcxPeer.SlotsFor(credits);

        // The envelope ends where the payload begins, at a multiple of the alignment.
        int stride = Alignment + ((options.MaxMessageBytes + Alignment - 1) & -Alignment);
        nint envelopes = MailboxBytes + ((nint)world * (sizeof(UcxFailure) + (slotsEach * sizeof(UcxSlot))));
        _control = new NativeBuffer(envelopes + ((nint)world * UcxPeer.CreditReceives(credits) * sizeof(Envelope)));
        _messages = new NativeBuffer(checked((nint)world * credits * stride));
        Mailbox = (UcxMailbox*)_control.Data;
        UcxFailure* failures = (UcxFailure*)(_control.Data + MailboxBytes);
        UcxSlot* slots = (UcxSlot*)(failures + world);
        byte* creditBuffers = _control.Data + envelopes;

        Peers = new UcxPeer[world];
        for (int peer = 0; peer < world; peer++)
        {
            failures[peer].Mailbox = Mailbox;
            UcxSlot* first = slots + ((nint)peer * slotsEach);
            for (int i = 0; i < slotsEach; i++)
            {
                SlotKind kind = i < credits ? SlotKind.ReceiveMessage
                    : i < 2 * credits ? SlotKind.SendMessage
                    : i < 3 * credits ? SlotKind.SendCredits
                    : SlotKind.ReceiveCredits;
                UcxSlot* slot = first + i;
                slot->Mailbox = Mailbox;
                slot->Peer = peer;
                slot->Kind = kind;
                slot->Index = kind == SlotKind.ReceiveCredits ? i - (3 * credits) : i % credits;
                slot->Memory = kind switch
                {
                    SlotKind.ReceiveMessage => _messages.Data + ((((nint)peer * credits) + i) * stride) + Alignment - sizeof(Envelope),
                    SlotKind.ReceiveCredits => creditBuffers + ((((nint)peer * UcxPeer.CreditReceives(credits)) + slot->Index) * sizeof(Envelope)),
                    _ => (byte*)&slot->Envelope,
                };
            }

            Peers[peer] = new UcxPeer(worker, rank, peer, options, first, failures + peer);
        }
    }

    public UcxMailbox* Mailbox { get; }

    public UcxPeer[] Peers { get; }

    public void Dispose()
    {
        _control.Dispose();
        _messages.Dispose();
    }
}
