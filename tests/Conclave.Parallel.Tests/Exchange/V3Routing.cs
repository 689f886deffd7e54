using Conclave.Parallel.Exchange;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>A world as DeepSeek-V3 is routed in: 256 experts in 8 groups, 8 experts in 4 groups for a token, H = 7168, a group for each of 8 hosts with 8 ranks.</summary>
internal static class V3Routing
{
    private const int Hosts = 8;
    private const int World = 64;
    private const int Experts = 256;
    private const int GroupSize = Experts / Hosts;
    private const int GroupsPerToken = 4;
    private const int ExpertsPerToken = 8;

    public static ExchangeCase Create(ExchangeOptions options, int tokensOfRank)
    {
        Random random = new(1);
        RankTokens[] ranks = [.. Enumerable.Range(0, World).Select(_ => Tokens(random, tokensOfRank))];
        return new ExchangeCase
        {
            Topology = Topology.Even(World, Hosts),
            SlotsByLayer = [SlotMap.Even(World, Experts)],
            Options = options,
            Transport = new TransportOptions { Credits = 2 },
            Columns = 7168,
            ExpertsPerToken = ExpertsPerToken,
            MaxTokens = tokensOfRank,
            Exchanges = [ranks],
        };
    }

    private static RankTokens Tokens(Random random, int count)
    {
        float[][] rows = [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, 7168).Select(_ => random.NextSingle() - 0.5f).ToArray())];
        int[][] experts = [.. rows.Select(_ => Route(random))];
        return new RankTokens(rows, experts, experts, [.. rows.Select(_ => Enumerable.Repeat(2.5f / ExpertsPerToken, ExpertsPerToken).ToArray())]);
    }

    /// <summary>DeepSeek-V3, section 2.1.2: the groups with the highest sums of their two best scores, then the best experts in them.</summary>
    private static int[] Route(Random random)
    {
        float[] scores = [.. Enumerable.Range(0, Experts).Select(_ => random.NextSingle())];
        return
        [
            .. Enumerable.Range(0, Experts).GroupBy(expert => expert / GroupSize)
                .OrderByDescending(group => group.OrderByDescending(expert => scores[expert]).Take(2).Sum(expert => scores[expert]))
                .Take(GroupsPerToken).SelectMany(group => group)
                .OrderByDescending(expert => scores[expert]).Take(ExpertsPerToken),
        ];
    }
}
