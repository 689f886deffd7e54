using Conclave.Parallel.Placement;
using Conclave.Primitives;

namespace Conclave.Parallel.Tests.Placement;

public sealed class EplbTests
{
    // The file's loads are rounded to whole tokens; its max/mean is of what they were before.
    private const double Rounding = 2.5e-5;

    public static TheoryData<string> Names => [.. PublishedCase.All.Select(published => published.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void It_answers_as_the_published_code_does(string name)
    {
        PublishedCase published = PublishedCase.Find(name);
        ExpertPlacement placement = Eplb.Plan(published.Shape, published.Loads);
        for (int layer = 0; layer < published.Loads.Layers; layer++)
        {
            if (HasNoTies(published, layer))
            {
                Assert.Equal(published.PhysicalToLogical[layer], placement.Experts(layer));
            }

            Assert.Equal(published.MaxOverMean[layer], LoadBalance.MaxOverMean(placement, published.Loads, layer), Rounding);
        }
    }

    [Fact]
    public void Some_published_layers_have_no_ties() =>
        Assert.Equal(10, PublishedCase.All.Sum(published => Enumerable.Range(0, published.Loads.Layers).Count(layer => HasNoTies(published, layer))));

    [Theory]
    [MemberData(nameof(Names))]
    public void Ours_is_never_worse_on_the_published_cases(string name)
    {
        PublishedCase published = PublishedCase.Find(name);
        ExpertPlacement placement = PlacementPlanner.Plan(published.Shape, published.Loads);
        ExpertPlacement theirs = new(published.Shape, [.. published.PhysicalToLogical.SelectMany(layer => layer)]);
        for (int layer = 0; layer < published.Loads.Layers; layer++)
        {
            double ours = LoadBalance.MaxOverMean(placement, published.Loads, layer);
            double bound = LoadBalance.LowerBound(published.Shape, published.Loads.Layer(layer));
            TestContext.Current.TestOutputHelper!.WriteLine($"{name} {layer}: EPLB {published.MaxOverMean[layer]:F5}, ours {ours:F5}, bound {bound:F5}");
            Assert.InRange(ours, bound * (1 - 1e-9), LoadBalance.MaxOverMean(theirs, published.Loads, layer) * (1 + 1e-9));
        }
    }

    [Fact]
    public void Hosts_of_different_sizes_are_refused_where_groups_divide_by_them()
    {
        PlacementShape shape = new(experts: 8, slots: 9, groups: 2, hosts: 2, ranks: 3);
        ExpertLoads loads = new(1, 8, new double[8]);
        UserErrorException error = Assert.Throws<UserErrorException>(() => Eplb.Plan(shape, loads));
        Assert.Contains("3 ranks on 2 hosts", error.Message);
        Assert.Equal(9, PlacementPlanner.Plan(shape, loads).Experts(0).Length);
    }

    /// <summary>Where replicas of two experts have the same load, rounded to whole tokens, either may come first.</summary>
    private static bool HasNoTies(PublishedCase published, int layer)
    {
        int[] slots = published.PhysicalToLogical[layer];
        double[] shares = [.. published.Loads.Layer(layer).ToArray().Select((load, expert) => load / slots.Count(other => other == expert))];
        return shares.Distinct().Count() == shares.Length;
    }
}
