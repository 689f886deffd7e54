using System.Diagnostics;
using Conclave.Transport.Ucx;

namespace Conclave.Transport.Tests;

/// <summary>Rank 0 is a transport; what says that it is rank 1 is a bare UCX worker that sends what no transport sends. Rank 2 is a transport that must not suffer.</summary>
[Collection("UCX")]
public sealed unsafe class UcxGarbageTests
{
    private const ulong MessageTag = (1ul << 32) | 1;
    private const ulong CreditTag = (2ul << 32) | 1;
    private static readonly TransportOptions Options = new() { Credits = 2, MaxMessageBytes = 100 };
    private static readonly Envelope Right = new() { Tag = 7, Mark = Envelope.MarkOfVersion1 };

    [Fact]
    public void A_right_message_is_taken() => Check([(Right, 10, MessageTag)], null);

    [Fact]
    public void A_payload_that_is_too_long_is_refused() => Check([(Right, 101, MessageTag)], "longer than the world's messages may be");

    [Fact]
    public void A_message_of_a_megabyte_is_refused() => Check([(Right, 1 << 20, MessageTag)], "longer than the world's messages may be");

    [Fact]
    public void A_credit_message_with_a_payload_is_refused() => Check([(Right, 1, CreditTag)], "longer than the world's messages may be");

    [Fact]
    public void A_wrong_mark_is_refused() => Check([(Right with { Mark = 1 }, 10, MessageTag)], "with mark 0x1 where number 0 was due");

    [Fact]
    public void A_wrong_number_is_refused() => Check([(Right, 1, MessageTag), (Right with { Sequence = 2 }, 1, MessageTag)], "sent message 2 with mark");

    [Fact]
    public void A_farewell_with_a_payload_is_refused() => Check([(Right with { Mark = Envelope.MarkOfFarewell }, 10, MessageTag)], "with mark 0xc1af");

    [Fact]
    public void A_farewell_ends_a_peer() => Check([(Right with { Mark = Envelope.MarkOfFarewell }, 0, CreditTag)], "closed its transport");

    [Fact]
    public void Credits_that_were_never_spent_are_refused() => Check([(Right with { Credits = 1 }, 0, MessageTag)], "gave 1 credits back, of 0");

    [Fact]
    public void Credit_messages_without_credits_are_refused() =>
        Check([(Right, 0, CreditTag), (Right with { Sequence = 1 }, 0, CreditTag)], "gave 0 credits back, of 0");

    [Fact]
    public void More_messages_than_there_are_buffers_are_refused() =>
        Check([.. Enumerable.Range(0, 50).Select(i => (Right with { Sequence = (uint)i }, 10, MessageTag))], "for which nothing was posted");

    [Fact]
    public void An_unknown_kind_of_message_is_refused() => Check([(Right, 10, (9ul << 32) | 1)], "sent a message with tag 0x900000001");

    [Fact]
    public void Messages_of_no_rank_are_thrown_away() =>
        Check([.. Enumerable.Range(0, 50).Select(i => (Right, 10, (1ul << 32) | 77)), (Right, 10, MessageTag)], null);

    [Fact]
    public void A_message_shorter_than_an_envelope_is_refused()
    {
        // Four bytes of an envelope, sent as the payload of nothing.
        Check([(Right, -12, MessageTag)], "sent a message of 4 bytes");
    }

    private static void Check((Envelope Envelope, int Payload, ulong Tag)[] messages, string? reason)
    {
        Topology topology = new([0, 0, 0]);
        using UcxTransport victim = new(topology, 0, Options);
        using UcxTransport bystander = new(topology, 2, Options);
        using UcxWorker sender = new(3);
        byte[][] addresses = [victim.LocalAddress.ToArray(), UcxAddress.Write(1, Options, sender.Address), bystander.LocalAddress.ToArray()];
        victim.Connect(addresses);
        bystander.Connect(addresses);

        UcxMailbox mailbox = default;
        UcxFailure failure = new() { Mailbox = &mailbox };
        Assert.Equal(Ucp.Ok, sender.Connect(UcxAddress.Read(addresses[0], 0, Options), &failure, reportsFailures: true, out nint endpoint));
        UcxSlot* slots = stackalloc UcxSlot[messages.Length];
        byte[] garbage = new byte[1 << 20];
        List<Completion> seen = [];
        Completion[] completions = new Completion[8];
        fixed (byte* payload = garbage)
        {
            for (int i = 0; i < messages.Length; i++)
            {
                slots[i] = new UcxSlot { Mailbox = &mailbox, Envelope = messages[i].Envelope };
                if (messages[i].Payload < 0)
                {
                    SendPartOfEnvelope(endpoint, slots + i, sizeof(Envelope) + messages[i].Payload, messages[i].Tag);
                }
                else
                {
                    Assert.Equal(Ucp.Ok, sender.Send(endpoint, slots + i, new NativeSlice(payload, messages[i].Payload), messages[i].Tag));
                }
            }

            long start = Stopwatch.GetTimestamp();
            while (reason is null ? !seen.Exists(c => c.Kind == CompletionKind.Received && c.Peer == 1) : !seen.Exists(c => c.Kind == CompletionKind.PeerFailed))
            {
                Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30), "nothing was reported");
                sender.Progress();
                seen.AddRange(completions.AsSpan(0, victim.Poll(completions)));
            }
        }

        if (reason is null)
        {
            Assert.DoesNotContain(seen, c => c.Kind == CompletionKind.PeerFailed);
        }
        else
        {
            Completion failed = Assert.Single(seen, c => c.Kind == CompletionKind.PeerFailed);
            Assert.Equal(1, failed.Peer);
            Assert.Contains(reason, failed.Reason);
            Assert.False(victim.TrySend(1, 0, default));
        }

        // The victim's buffers are still there for what comes later, and others are served.
        Assert.True(bystander.TrySend(0, 3, default));
        List<Completion> after = UcxTransportTests.Until([victim, bystander], 0, all => all.Exists(c => c.Peer == 2 && c.Kind == CompletionKind.Received));
        Assert.DoesNotContain(after, c => c.Kind == CompletionKind.PeerFailed);
        victim.Release(after.First(c => c.Peer == 2));

        // Whoever sends garbage also leaves without manners.
        UcxWorker.Close(endpoint, force: true);
    }

    private static void SendPartOfEnvelope(nint endpoint, UcxSlot* slot, int bytes, ulong tag)
    {
        UcpRequestParam parameters = new() { OpAttrMask = Ucp.OpAttrFieldDatatype, Datatype = Ucp.DatatypeBytes };
        nint request = Ucp.TagSend(endpoint, &slot->Envelope, (nuint)bytes, tag, &parameters);
        Assert.False(Ucp.IsError(request, out _));
        if (request != 0)
        {
            Ucp.RequestFree(request);
        }
    }
}
