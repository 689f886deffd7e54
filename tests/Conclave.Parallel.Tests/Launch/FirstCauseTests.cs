using Conclave.Parallel.Launch;

namespace Conclave.Parallel.Tests.Launch;

public class FirstCauseTests
{
    /// <summary>A process may be seen to end before its last message is read.</summary>
    [Fact]
    public async Task WhatWasNoticedOfARankThatReportsIsNoCause()
    {
        Lock gate = new();
        List<LaunchFailure> told = [];
        using FirstCause end = new(gate, told.Add);
        lock (gate)
        {
            end.Fail(1, "rank 1 ended", certain: false);
            end.Withdraw(2);
            end.Fail(2, "rank 2 ended", certain: false);
            end.Withdraw(1);
            end.Fail(3, "rank 3 ended", certain: false);
        }

        LaunchFailure? failure = await end.Ended.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.Equal((3, "rank 3 ended"), (failure!.Rank, failure.Cause));
        Assert.Equal([failure], told);
    }
}
