using System.Diagnostics;
using Conclave.Parallel.Exchange;

namespace Conclave.Parallel.Tests.Exchange;

public sealed class HalfClockTests
{
    [Fact]
    public void What_arrives_before_anybody_waits_is_hidden()
    {
        HalfClock clock = new();
        long before = Stopwatch.GetTimestamp();
        clock.Begin();
        long begun = Stopwatch.GetTimestamp();
        Thread.Sleep(2);
        long arriving = Stopwatch.GetTimestamp();
        clock.Arrive();
        long arrived = Stopwatch.GetTimestamp();
        Thread.Sleep(2);
        (TimeSpan taken, TimeSpan waited) = clock.End(Stopwatch.GetTimestamp());
        Assert.InRange(taken, Stopwatch.GetElapsedTime(begun, arriving), Stopwatch.GetElapsedTime(before, arrived));
        Assert.Equal(TimeSpan.Zero, waited);
        Assert.False(clock.IsRunning);
    }

    [Fact]
    public void What_arrives_later_was_waited_for()
    {
        HalfClock clock = new();
        clock.Begin();
        Thread.Sleep(2);
        long entered = Stopwatch.GetTimestamp();
        Thread.Sleep(2);
        long arriving = Stopwatch.GetTimestamp();
        clock.Arrive();
        long arrived = Stopwatch.GetTimestamp();
        Thread.Sleep(2);
        (TimeSpan taken, TimeSpan waited) = clock.End(entered);
        Assert.InRange(waited, Stopwatch.GetElapsedTime(entered, arriving), Stopwatch.GetElapsedTime(entered, arrived));
        Assert.True(taken > waited, $"{taken} taken, {waited} waited");
    }
}
