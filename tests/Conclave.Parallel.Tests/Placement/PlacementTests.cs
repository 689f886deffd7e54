using Conclave.Parallel.Placement;
using Conclave.Primitives;

namespace Conclave.Parallel.Tests.Placement;

public sealed class PlacementTests
{
    private static readonly PlacementShape Shape = new(experts: 3, slots: 6, groups: 1, hosts: 2, ranks: 3);

    [Fact]
    public void Slots_of_an_expert_are_found_in_rising_order()
    {
        ExpertPlacement placement = new(Shape, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 0, 2], epoch: 7);
        Assert.Equal(2, placement.Layers);
        Assert.Equal(7, placement.Epoch);
        Assert.Equal([0, 4], placement.Slots(0, 0));
        Assert.Equal([1, 3, 5], placement.Slots(0, 1));
        Assert.Equal([2], placement.Slots(0, 2));
        Assert.Equal([0, 5], placement.Slots(1, 2));
        Assert.Equal([2, 1, 0, 1, 0, 2], placement.Experts(1));
        Assert.Equal([0, 0, 1, 1, 2, 2], Enumerable.Range(0, 6).Select(placement.RankOf));
        Assert.Equal([0, 0, 1], Enumerable.Range(0, 3).Select(Shape.HostOf));
    }

    [Fact]
    public void In_order_every_expert_has_a_slot_though_experts_do_not_divide()
    {
        PlacementShape shape = new(experts: 7, slots: 9, groups: 1, hosts: 1, ranks: 3);
        Assert.Equal([0, 1, 2, 2, 3, 4, 4, 5, 6], ExpertPlacement.InOrder(shape, 1).Experts(0));
    }

    [Fact]
    public void Copies_are_counted_by_rank_not_by_slot()
    {
        ExpertPlacement before = new(Shape, [0, 1, 2, 1, 0, 1]);
        Assert.Equal(0, new ExpertPlacement(Shape, [1, 0, 1, 2, 1, 0]).CopiesFrom(before));
        Assert.Equal(2, new ExpertPlacement(Shape, [0, 2, 2, 1, 0, 2]).CopiesFrom(before));
    }

    [Theory]
    [InlineData(new[] { 0, 1, 2, 1, 0 }, "5 slots")]
    [InlineData(new[] { 0, 1, 2, 1, 0, 3 }, "slot 5: expert 3")]
    [InlineData(new[] { 0, 1, 2, 1, 0, -1 }, "slot 5: expert -1")]
    [InlineData(new[] { 0, 1, 1, 1, 0, 1 }, "expert 2")]
    [InlineData(new int[0], "0 slots")]
    public void Placements_from_outside_are_not_believed(int[] slots, string reason) =>
        Assert.Contains(reason, Assert.Throws<UserErrorException>(() => new ExpertPlacement(Shape, slots)).Message);

    [Theory]
    [InlineData(0, 4, 1, 1, 2, "0 experts")]
    [InlineData(4, 3, 1, 1, 1, "3 slots for 4 experts")]
    [InlineData(4, 6, 1, 1, 4, "6 slots on 4 ranks")]
    [InlineData(4, 4, 3, 1, 2, "3 groups of 4 experts")]
    [InlineData(4, 4, 1, 3, 2, "3 hosts for 2 ranks")]
    [InlineData(4, 10, 1, 1, 2, "5 slots on each rank")]
    [InlineData(4, 4, 1, 1, 0, "0 ranks")]
    [InlineData(4, int.MaxValue, 1, 1, 1, "2147483647 slots")]
    public void Impossible_shapes_are_refused(int experts, int slots, int groups, int hosts, int ranks, string reason) =>
        Assert.Contains(reason, Assert.Throws<UserErrorException>(() => new PlacementShape(experts, slots, groups, hosts, ranks)).Message);

    [Theory]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(1e16)]
    public void Impossible_loads_are_refused(double load) =>
        Assert.Contains("layer 1, expert 0", Assert.Throws<UserErrorException>(() => new ExpertLoads(2, 2, [1, 2, load, 4])).Message);

    [Fact]
    public void The_bound_counts_replicas()
    {
        // Expert 0 gets the five that are over, and each of its six replicas takes 100 ÷ 6.
        PlacementShape shape = new(experts: 11, slots: 16, groups: 1, hosts: 1, ranks: 8);
        double[] loads = [100, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        Assert.Equal(100.0 / 6 * 8 / 110, LoadBalance.LowerBound(shape, loads), 1e-12);
    }
}
