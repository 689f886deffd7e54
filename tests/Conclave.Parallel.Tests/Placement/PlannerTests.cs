using Conclave.Parallel.Placement;
using Conclave.Primitives;
using CsCheck;

namespace Conclave.Parallel.Tests.Placement;

public sealed class PlannerTests
{
    // Sums in another order.
    private const double Rounding = 1e-9;

    private static readonly Gen<PlacementShape> GenShape =
        from groups in Gen.Int[1, 8]
        from groupSize in Gen.Int[1, 12]
        from ranks in Gen.Int[1, 12]
        from hosts in Gen.Int[1, ranks]
        let experts = groups * groupSize
        let least = (experts + ranks - 1) / ranks
        from perRank in Gen.Int[least, Math.Min(experts, least + 3)]
        select new PlacementShape(experts, perRank * ranks, groups, hosts, ranks);

    private static readonly Gen<(PlacementShape Shape, ExpertLoads Loads, ExpertLoads Later)> GenCase =
        from shape in GenShape
        from layers in Gen.Int[1, 3]
        from loads in GenLoads(layers, shape.Experts)
        from later in GenLoads(layers, shape.Experts)
        select (shape, loads, later);

    [Fact]
    public void Every_rank_holds_its_slots_of_different_experts_and_every_expert_has_one() =>
        GenCase.Sample(
            example =>
            {
                ExpertPlacement placement = PlacementPlanner.Plan(example.Shape, example.Loads);
                Assert.Equal(example.Loads.Layers, placement.Layers);
                for (int layer = 0; layer < placement.Layers; layer++)
                {
                    Assert.Equal(example.Shape.Experts, placement.Experts(layer).ToArray().Distinct().Count());
                }
            },
            iter: 2000);

    [Fact]
    public void Never_worse_than_EPLB_nor_below_the_bound() =>
        GenCase.Where(example => Eplb.CanPlan(example.Shape)).Sample(
            example =>
            {
                ExpertPlacement ours = PlacementPlanner.Plan(example.Shape, example.Loads);
                ExpertPlacement published = Eplb.Plan(example.Shape, example.Loads);
                for (int layer = 0; layer < ours.Layers; layer++)
                {
                    Assert.InRange(
                        LoadBalance.MaxOverMean(ours, example.Loads, layer),
                        LoadBalance.LowerBound(example.Shape, example.Loads.Layer(layer)) * (1 - Rounding),
                        LoadBalance.MaxOverMean(published, example.Loads, layer) * (1 + Rounding));
                }
            },
            iter: 5000);

    [Fact]
    public void A_budget_is_kept_and_what_it_buys_is_no_loss() =>
        Gen.Select(GenCase, Gen.Int[0, 40]).Sample(
            (example, budget) =>
            {
                ExpertPlacement before = PlacementPlanner.Plan(example.Shape, example.Loads);
                ExpertPlacement after = PlacementPlanner.Plan(example.Shape, example.Later, before, budget);
                Assert.InRange(after.CopiesFrom(before), 0, budget);
                Assert.Equal(before.Epoch + 1, after.Epoch);
                for (int layer = 0; layer < after.Layers; layer++)
                {
                    Assert.InRange(
                        LoadBalance.MaxOverMean(after, example.Later, layer), 0, LoadBalance.MaxOverMean(before, example.Later, layer) * (1 + Rounding));
                }
            },
            iter: 2000);

    [Fact]
    public void Nothing_moves_where_loads_stay() =>
        GenCase.Sample(
            example =>
            {
                ExpertPlacement before = PlacementPlanner.Plan(example.Shape, example.Loads);
                Assert.Equal(0, PlacementPlanner.Plan(example.Shape, example.Loads, before).CopiesFrom(before));
            },
            iter: 1000);

    [Fact]
    public void The_same_input_gives_the_same_placement() =>
        GenCase.Sample(
            example =>
            {
                ExpertPlacement first = PlacementPlanner.Plan(example.Shape, example.Loads);
                ExpertPlacement second = PlacementPlanner.Plan(example.Shape, example.Loads);
                for (int layer = 0; layer < first.Layers; layer++)
                {
                    Assert.Equal(first.Experts(layer), second.Experts(layer));
                }
            },
            iter: 500);

    [Theory]
    [InlineData("ep32-288")]
    [InlineData("ep64-320")]
    public void Replicas_are_on_different_hosts_and_one_of_them_is_with_its_group(string name)
    {
        PublishedCase published = PublishedCase.Find(name);
        PlacementShape shape = published.Shape;
        ExpertPlacement placement = PlacementPlanner.Plan(shape, published.Loads);
        int groupSize = shape.Experts / shape.Groups;
        for (int layer = 0; layer < placement.Layers; layer++)
        {
            HashSet<int>[] hosts = [.. Enumerable.Range(0, shape.Experts).Select(
                expert => placement.Slots(layer, expert).ToArray().Select(slot => shape.HostOf(placement.RankOf(slot))).ToHashSet())];
            for (int expert = 0; expert < shape.Experts; expert++)
            {
                Assert.Equal(Math.Min(placement.Slots(layer, expert).Length, shape.Hosts), hosts[expert].Count);
            }

            for (int group = 0; group < shape.Groups; group++)
            {
                Assert.Contains(
                    Enumerable.Range(0, shape.Hosts), host => hosts.Skip(group * groupSize).Take(groupSize).All(of => of.Contains(host)));
            }
        }
    }

    [Fact]
    public void Moves_go_where_they_gain_most()
    {
        // Two ranks, two slots each; expert 0 has most of the load beside expert 1, and one exchange evens them.
        PlacementShape shape = new(experts: 4, slots: 4, groups: 1, hosts: 1, ranks: 2);
        ExpertPlacement before = new(shape, [0, 1, 2, 3]);
        ExpertLoads loads = new(1, 4, [6, 4, 1, 1]);
        Assert.Equal(10.0 / 6, LoadBalance.MaxOverMean(PlacementPlanner.Plan(shape, loads, before, moveBudget: 1), loads, 0), Rounding);
        Assert.Equal(7.0 / 6, LoadBalance.MaxOverMean(PlacementPlanner.Plan(shape, loads, before, moveBudget: 2), loads, 0), Rounding);
    }

    [Fact]
    public void Layers_without_load_are_even()
    {
        PlacementShape shape = new(experts: 6, slots: 8, groups: 1, hosts: 1, ranks: 4);
        ExpertLoads loads = new(1, 6, new double[6]);
        Assert.Equal(1, LoadBalance.MaxOverMean(PlacementPlanner.Plan(shape, loads), loads, 0));
        Assert.Equal(1, LoadBalance.LowerBound(shape, loads.Layer(0)));
    }

    [Fact]
    public void A_budget_needs_a_previous_placement_of_the_same_shape()
    {
        PlacementShape shape = new(experts: 4, slots: 4, groups: 1, hosts: 1, ranks: 2);
        ExpertLoads loads = new(1, 4, [6, 4, 1, 1]);
        ExpertPlacement other = ExpertPlacement.InOrder(new PlacementShape(experts: 4, slots: 8, groups: 1, hosts: 1, ranks: 2), 1);
        Assert.Contains("without the previous placement", Assert.Throws<UserErrorException>(() => PlacementPlanner.Plan(shape, loads, null, 1)).Message);
        Assert.Contains("-1", Assert.Throws<UserErrorException>(() => PlacementPlanner.Plan(shape, loads, other, -1)).Message);
        Assert.Contains("8 slots", Assert.Throws<UserErrorException>(() => PlacementPlanner.Plan(shape, loads, other, 1)).Message);
        Assert.Contains("3 experts", Assert.Throws<UserErrorException>(() => PlacementPlanner.Plan(shape, new ExpertLoads(1, 3, [1, 2, 3]))).Message);
    }

    private static Gen<ExpertLoads> GenLoads(int layers, int experts) =>
        Gen.OneOf(Gen.Double[0, 1000], Gen.Int[0, 3].Select(load => (double)load), Gen.Double[0, 10].Select(Math.Exp)).Array[layers * experts]
            .Select(loads => new ExpertLoads(layers, experts, loads));
}
