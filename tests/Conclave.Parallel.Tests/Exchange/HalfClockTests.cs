using System.Diagnostics;
using Conclave.Parallel.Exchange;

namespace Conclave.Parallel.Tests.Exchange;

public sealed class HalfClockTests
{
    [Fact]
    public void What_arrives_before_anybody_waits_is_hidden()
    {
        HalfClock clock = new();
        clock.Begin();
        Thread.Sleep(20);
        clock.Arrive();
        (TimeSpan taken, TimeSpan waited) = clock.End(Stopwatch.GetTimestamp());
        Assert.InRange(taken, TimeSpan.FromMilliseconds(19), TimeSpan.FromMinutes(1));
        Assert.Equal(TimeSpan.Zero, waited);
        Assert.False(clock.IsRunning);
    }

    [Fact]
    public void What_arrives_later_was_waited_for()
    {
        HalfClock clock = new();
        clock.Begin();
        Thread.Sleep(10);
        long entered = Stopwatch.GetTimestamp();
        Thread.Sleep(10);
        clock.Arrive();
        Thread.Sleep(10);
        (TimeSpan taken, TimeSpan waited) = clock.End(entered);
        Assert.InRange(waited, TimeSpan.FromMilliseconds(9), taken - TimeSpan.FromMilliseconds(9));
    }
}
