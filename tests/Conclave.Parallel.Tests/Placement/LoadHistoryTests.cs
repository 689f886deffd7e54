using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Tests.Placement;

public sealed class LoadHistoryTests
{
    [Fact]
    public void Half_of_the_past_stays_where_nothing_changed() =>
        Assert.Equal([15, 30, 45], LoadHistory.Blend(new ExpertLoads(1, 3, [10, 20, 30]), new ExpertLoads(1, 3, [10, 20, 30])).Layer(0));

    [Fact]
    public void A_layer_that_turned_to_other_experts_forgets_and_the_others_do_not()
    {
        ExpertLoads blended = LoadHistory.Blend(new ExpertLoads(2, 2, [80, 20, 60, 40]), new ExpertLoads(2, 2, [40, 60, 55, 45]));
        Assert.Equal([40, 60], blended.Layer(0));

        // Distance 0.05: ½ · (1 − 0.05 ÷ 0.2) of the past.
        Assert.Equal(55 + (0.375 * 60), blended.Layer(1)[0], 1e-9);
        Assert.Equal(45 + (0.375 * 40), blended.Layer(1)[1], 1e-9);
    }

    [Fact]
    public void The_first_window_stands_alone()
    {
        ExpertLoads window = new(1, 2, [1, 2]);
        Assert.Same(window, LoadHistory.Blend(null, window));
    }

    [Fact]
    public void No_tokens_make_no_load() =>
        Assert.Equal([0, 0], LoadHistory.Blend(new ExpertLoads(1, 2, [0, 0]), new ExpertLoads(1, 2, [0, 0])).Layer(0));
}
