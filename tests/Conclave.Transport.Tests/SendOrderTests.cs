using Conclave.Transport.Ucx;

namespace Conclave.Transport.Tests;

public sealed class SendOrderTests
{
    [Fact]
    public void Messages_end_in_the_order_of_sending_whichever_left_first()
    {
        SendOrder order = new(3);
        int[] slots = [Begin(order), Begin(order), Begin(order)];
        Assert.False(order.TryBegin(out _));
        order.Leave(slots[1]);
        Assert.Empty(Ended(order));
        order.Leave(slots[0]);
        Assert.Equal(slots[..2], Ended(order));
        order.Leave(slots[2]);
        Assert.Equal(slots[2..], Ended(order));
        Assert.Empty(Ended(order));
    }

    [Fact]
    public void A_slot_is_not_taken_again_before_its_message_has_ended()
    {
        Random random = new(1);
        SendOrder order = new(4);
        Queue<int> sent = [];
        List<int> underWay = [];
        for (int i = 0; i < 10_000; i++)
        {
            if (random.Next(2) == 0)
            {
                bool begun = order.TryBegin(out int slot);
                Assert.Equal(sent.Count < 4, begun);
                if (begun)
                {
                    Assert.DoesNotContain(slot, sent);
                    sent.Enqueue(slot);
                    underWay.Add(slot);
                }
            }
            else if (underWay.Count > 0)
            {
                int leaving = random.Next(underWay.Count);
                order.Leave(underWay[leaving]);
                underWay.RemoveAt(leaving);
                foreach (int slot in Ended(order))
                {
                    Assert.Equal(sent.Dequeue(), slot);
                    Assert.DoesNotContain(slot, underWay);
                }

                Assert.True(sent.Count == 0 || underWay.Contains(sent.Peek()), "the earliest has left and was not ended");
            }
        }
    }

    private static int Begin(SendOrder order)
    {
        Assert.True(order.TryBegin(out int slot));
        return slot;
    }

    private static List<int> Ended(SendOrder order)
    {
        List<int> ended = [];
        while (order.TryEnd(out int slot))
        {
            ended.Add(slot);
        }

        return ended;
    }
}
