using Conclave.Parallel.Launch;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>What a rank has received and not taken yet.</summary>
public sealed class FrameQueueTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public void Messages_come_in_their_order_and_what_is_there_at_the_end_can_be_taken()
    {
        using FrameQueue queue = new(4);
        Assert.True(queue.TryAdd(Frame(1)));
        Assert.True(queue.TryAdd(Frame(2)));
        queue.Complete();
        Assert.False(queue.TryAdd(Frame(3)));
        Assert.False(queue.IsEmptied);
        Assert.Equal(1, Take(queue));
        Assert.Equal(2, Take(queue));
        Assert.True(queue.IsEmptied);
        Assert.False(queue.TryTake(out _, Timeout.InfiniteTimeSpan));
        Assert.False(queue.TryTake(out _, Timeout.InfiniteTimeSpan));
    }

    [Fact]
    public async Task Who_adds_to_a_full_queue_waits_until_there_is_room()
    {
        using FrameQueue queue = new(1);
        Assert.True(queue.TryAdd(Frame(1)));
        Task<bool> added = Task.Run(() => queue.TryAdd(Frame(2)), TestContext.Current.CancellationToken);
        await AssertWaitsAsync(added);
        Assert.Equal(1, Take(queue));
        Assert.True(await added.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(2, Take(queue));
    }

    [Fact]
    public async Task The_end_wakes_who_waits_to_add_and_who_waits_to_take()
    {
        using FrameQueue full = new(1);
        Assert.True(full.TryAdd(Frame(1)));
        Task<bool> added = Task.Run(() => full.TryAdd(Frame(2)), TestContext.Current.CancellationToken);
        using FrameQueue empty = new(1);
        Task<bool> taken = Task.Run(() => empty.TryTake(out _, Timeout.InfiniteTimeSpan), TestContext.Current.CancellationToken);
        await AssertWaitsAsync(added);
        await AssertWaitsAsync(taken);
        full.Complete();
        empty.Complete();
        Assert.False(await added.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.False(await taken.WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Waiting_allocates_nothing()
    {
        using FrameQueue queue = new(4);
        ControlFrame frame = Frame(1);
        long allocated = 0;
        for (int turn = 0; turn < 20; turn++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            bool waited = !queue.TryTake(out _, TimeSpan.FromMilliseconds(1));
            bool passed = queue.TryAdd(frame) && queue.TryTake(out _, TimeSpan.FromMilliseconds(1));
            allocated += turn < 5 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(waited && passed);
        }

        Assert.Equal(0, allocated);
    }

    private static async Task AssertWaitsAsync(Task task)
    {
        await Task.Delay(20, TestContext.Current.CancellationToken);
        Assert.False(task.IsCompleted);
    }

    private static ControlFrame Frame(byte content) => new(ControlKind.Step, [content]);

    private static byte Take(FrameQueue queue)
    {
        Assert.True(queue.TryTake(out ControlFrame frame, Timeout.InfiniteTimeSpan));
        return frame.Body[0];
    }
}
