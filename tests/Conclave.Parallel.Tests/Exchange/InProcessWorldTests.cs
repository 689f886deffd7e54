using Conclave.Transport;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>The worlds of the other tests: what they use is freed when no rank uses it any more.</summary>
public sealed class InProcessWorldTests
{
    [Fact]
    public void A_world_that_hangs_is_over_when_it_fails()
    {
        int running = 2;
        Assert.Throws<TimeoutException>(() => InProcessWorld.Run(
            Topology.Even(2, 1),
            new TransportOptions(),
            0,
            transport =>
            {
                try
                {
                    Completion[] completions = new Completion[1];
                    while (transport.Poll(completions) == 0)
                    {
                        transport.Wait(TimeSpan.FromMilliseconds(1));
                    }
                }
                finally
                {
                    Interlocked.Decrement(ref running);
                }
            },
            patience: TimeSpan.Zero));
        Assert.Equal(0, running);
    }
}
