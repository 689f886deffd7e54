using Conclave.Parallel.Balancing;
using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Tests.Balancing;

public sealed class LeastGainTests
{
    [Fact]
    public void Layers_that_gain_little_stay_as_they_are()
    {
        // Two ranks with two experts each; by the other pairs the second layer gains 25 %, the first one 1 %.
        PlacementShape shape = new(experts: 4, slots: 4, groups: 1, hosts: 1, ranks: 2);
        ExpertLoads loads = new(2, 4, [51, 50, 49, 50, 75, 50, 25, 50]);
        ExpertPlacement present = new(shape, [0, 1, 2, 3, 0, 1, 2, 3], epoch: 4);
        ExpertPlacement planned = new(shape, [0, 2, 1, 3, 0, 2, 1, 3], epoch: 5);
        ExpertPlacement applied = LeastGain.Apply(present, planned, loads);
        Assert.Equal([0, 1, 2, 3], applied.Experts(0).ToArray());
        Assert.Equal([0, 2, 1, 3], applied.Experts(1).ToArray());
        Assert.Equal(5, applied.Epoch);
    }
}
