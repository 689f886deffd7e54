using Conclave.Checkpoints;
using Conclave.Primitives;
using CsCheck;

namespace Conclave.Models.Tests;

public sealed class RouterTests
{
    [Fact]
    public void SoftmaxGreedyTakesTheHighestProbabilitiesUnnormalized()
    {
        ModelConfig config = Configs.Routing(4, 2, RouterScoring.Softmax, RouterSelection.Greedy, normalize: false, scale: 2);
        (int[] experts, float[] weights) = Route(config, [1, 3, 2, 0], []);
        double sum = Math.Exp(1) + Math.Exp(3) + Math.Exp(2) + Math.Exp(0);
        Assert.Equal([1, 2], experts);
        Assert.Equal(2 * Math.Exp(3) / sum, weights[0], 1e-6);
        Assert.Equal(2 * Math.Exp(2) / sum, weights[1], 1e-6);
    }

    [Fact]
    public void GroupLimitedGreedyJudgesAGroupByItsBestExpert()
    {
        // Group 0 holds the best expert, group 2 the second best; the third best, in group 1, is out of reach.
        ModelConfig config = Configs.Routing(
            6, 2, RouterScoring.Softmax, RouterSelection.GroupLimitedGreedy, groups: 3, groupsPerToken: 1, normalize: false);
        (int[] experts, _) = Route(config, [5, 0, 3, 3, 4, 1], []);
        Assert.Equal([0, 1], experts);
    }

    [Fact]
    public void NoAuxTcJudgesAGroupByTheSumOfItsTwoBestAndWeighsWithoutBias()
    {
        ModelConfig config = Configs.Routing(6, 2, groups: 3, groupsPerToken: 1, scale: 2.5);
        (int[] experts, float[] weights) = Route(config, [2, -4, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0.01f]);
        double one = 1 / (1 + Math.Exp(-1));
        Assert.Equal([2, 3], experts);
        Assert.Equal(2.5 * one / (2 * one), weights[0], 1e-6);
        Assert.Equal(weights[0], weights[1]);
    }

    [Fact]
    public void BiasSteersTheChoiceButNotTheWeight()
    {
        ModelConfig config = Configs.Routing(3, 1, normalize: false);
        (int[] experts, float[] weights) = Route(config, [1, 0, -1], [0, 0, 5]);
        Assert.Equal([2], experts);
        Assert.Equal(1 / (1 + Math.Exp(1)), weights[0], 1e-6);
    }

    [Fact]
    public void ExpertsOfDroppedGroupsStayOutEvenWhereChoiceScoresAreNegative()
    {
        // A mask of zeros instead of −∞ would prefer the dropped group here.
        ModelConfig config = Configs.Routing(4, 2, groups: 2, groupsPerToken: 1);
        (int[] experts, _) = Route(config, [1, 1, 0, 0], [-3, -3, -4, -4]);
        Assert.Equal([0, 1], experts);
    }

    [Fact]
    public void OfEqualScoresTheLowerExpertWins()
    {
        (int[] experts, _) = Route(Configs.Routing(8, 3, groups: 4, groupsPerToken: 2), [0, 0, 0, 0, 0, 0, 0, 0], []);
        Assert.Equal([0, 1, 2], experts);
    }

    [Fact]
    public void ChoiceAgreesWithSortingOnRandomLogits()
    {
        Gen.Select(Gen.Int[1, 8], Gen.Int[1, 8], Gen.Int[0, 1_000_000]).Sample((groups, size, seed) =>
        {
            Random random = new(seed);
            int experts = groups * size;
            int kept = random.Next(1, groups + 1);
            int k = random.Next(1, (kept * size) + 1);
            float[] logits = [.. Enumerable.Range(0, experts).Select(_ => (float)((random.NextDouble() * 8) - 4))];
            float[] bias = [.. Enumerable.Range(0, experts).Select(_ => (float)((random.NextDouble() * 2) - 1))];
            (int[] chosen, float[] weights) = Route(Configs.Routing(experts, k, groups: groups, groupsPerToken: kept), logits, bias);

            double[] scores = [.. logits.Select(l => 1 / (1 + Math.Exp(-l)))];
            double[] choice = [.. scores.Select((s, e) => s + bias[e])];
            HashSet<int> best = [.. Enumerable.Range(0, groups)
                .OrderByDescending(g => choice.Skip(g * size).Take(size).OrderDescending().Take(2).Sum()).Take(kept)];
            int[] expected = [.. Enumerable.Range(0, experts).Where(e => best.Contains(e / size)).OrderByDescending(e => choice[e]).Take(k)];
            Assert.Equal(expected, chosen);
            Assert.Equal(1, weights.Sum(), 1e-5);
            double sum = expected.Sum(e => scores[e]);
            for (int i = 0; i < k; i++)
            {
                Assert.Equal(scores[expected[i]] / sum, weights[i], 1e-5);
            }
        }, iter: 300);
    }

    private static unsafe (int[] Experts, float[] Weights) Route(ModelConfig config, float[] logits, float[] bias)
    {
        int[] experts = new int[config.ExpertsPerToken];
        float[] weights = new float[config.ExpertsPerToken];
        float[] scores = [.. logits];
        fixed (int* expertData = experts)
        fixed (float* weightData = weights, scoreData = scores)
        {
            new Router(config).Route(
                new TensorView(scoreData, ElementFormat.F32, 1, scores.Length), bias, new Routing(expertData, weightData, 1, experts.Length));
        }

        return (experts, weights);
    }
}
