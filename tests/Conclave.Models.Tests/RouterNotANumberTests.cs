using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Models.Tests;

/// <summary>A token whose scores are not numbers is routed like any other, so that it harms nobody else's; its weights say what it is.</summary>
public sealed class RouterNotANumberTests
{
    private const float NaN = float.NaN;

    [Theory]
    [InlineData(RouterScoring.Sigmoid, true)]
    [InlineData(RouterScoring.Sigmoid, false)]
    [InlineData(RouterScoring.Softmax, false)]
    public void WithoutAnyNumberTheLowestExpertsAreTaken(RouterScoring scoring, bool normalize)
    {
        ModelConfig config = Configs.Routing(5, 3, scoring, normalize: normalize);
        (int[] experts, float[] weights) = Route(config, [NaN, NaN, NaN, NaN, NaN], []);
        Assert.Equal([0, 1, 2], experts);
        Assert.Equal([NaN, NaN, NaN], weights);
    }

    [Theory]
    [InlineData(RouterSelection.NoAuxTc)]
    [InlineData(RouterSelection.GroupLimitedGreedy)]
    public void WithGroupsTooEveryChoiceIsAnotherExpert(RouterSelection selection)
    {
        ModelConfig config = Configs.Routing(6, 3, selection: selection, groups: 2, groupsPerToken: 1);
        (int[] experts, float[] weights) = Route(config, [NaN, NaN, NaN, NaN, NaN, NaN], []);
        Assert.Equal(3, experts.Distinct().Count());
        Assert.Equal([NaN, NaN, NaN], weights);
    }

    [Fact]
    public void NumbersComeBeforeWhatIsNone()
    {
        (int[] experts, float[] weights) = Route(Configs.Routing(4, 3, normalize: false), [NaN, 0, NaN, NaN], []);
        Assert.Equal([1, 0, 2], experts);
        Assert.Equal([0.5f, NaN, NaN], weights);
    }

    [Fact]
    public void ABiasThatIsNoNumberShowsInTheWeights()
    {
        (int[] experts, float[] weights) = Route(Configs.Routing(3, 2, normalize: false), [0, 0, 0], [NaN, NaN, 0]);
        Assert.Equal([2, 0], experts);
        Assert.Equal([0.5f, NaN], weights);
    }

    private static unsafe (int[] Experts, float[] Weights) Route(ModelConfig config, float[] logits, float[] bias)
    {
        int[] experts = new int[config.ExpertsPerToken];
        float[] weights = new float[config.ExpertsPerToken];
        fixed (int* expertData = experts)
        fixed (float* weightData = weights, scores = logits)
        {
            new Router(config).Route(
                new TensorView(scores, ElementFormat.F32, 1, logits.Length), bias, new Routing(expertData, weightData, 1, experts.Length));
        }

        return (experts, weights);
    }
}
