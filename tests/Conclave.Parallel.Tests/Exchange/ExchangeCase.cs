using Conclave.Parallel.Exchange;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>A world, its placement, and tokens with their routing for some exchanges.</summary>
internal sealed class ExchangeCase
{
    public required Topology Topology { get; init; }

    public required SlotMap[] SlotsByLayer { get; init; }

    public required ExchangeOptions Options { get; init; }

    public required TransportOptions Transport { get; init; }

    public required int Columns { get; init; }

    public required int ExpertsPerToken { get; init; }

    public required int MaxTokens { get; init; }

    /// <summary>Micro-batches in flight at a time.</summary>
    public int Slots { get; init; } = 1;

    /// <summary>Tokens by exchange and rank.</summary>
    public required RankTokens[][] Exchanges { get; init; }

    /// <summary>A random world, with all that an exchange must cope with: scattered hosts, empty ranks, replicas, masks, few credits, small messages.</summary>
    public static ExchangeCase Random(int seed, ExchangeOptions options, int maxWorld = 16)
    {
        Random random = new(seed);
        int world = random.Next(1, maxWorld + 1);
        int hosts = random.Next(1, Math.Min(8, world) + 1);
        int[] hostOf = [.. Enumerable.Range(0, world).Select(rank => rank < hosts ? rank : random.Next(hosts))];
        random.Shuffle(hostOf);
        int experts = random.Next(1, 41);
        int slots = random.Next(experts, (2 * experts) + 8);
        int k = random.Next(1, Math.Min(8, experts) + 1);
        int maxTokens = random.Next(1, 13);
        int columns = random.Next(3) switch { 0 => random.Next(1, 9), 1 => 128 * random.Next(1, 3), _ => random.Next(100, 300) };
        Topology topology = new(hostOf);
        SlotMap[] slotsByLayer = [.. Enumerable.Range(0, 2).Select(_ => RandomSlots(random, world, experts, slots))];
        return new ExchangeCase
        {
            Topology = topology,
            SlotsByLayer = slotsByLayer,
            Options = options,
            Transport = new TransportOptions { Credits = random.Next(1, 4), MaxMessageBytes = 16 + (4 * columns) + (8 * k) + random.Next(2000) },
            Columns = columns,
            ExpertsPerToken = k,
            MaxTokens = maxTokens,
            Slots = random.Next(1, 3),
            Exchanges =
            [
                .. Enumerable.Range(0, 4).Select(step => Enumerable.Range(0, world)
                    .Select(rank => RankTokens.Random(
                        random, slotsByLayer[step % 2], topology, options, rank, random.Next(3) == 0 || !options.MayHaveTokens(rank) ? 0 : random.Next(maxTokens + 1), columns, k)).ToArray()),
            ],
        };
    }

    private static SlotMap RandomSlots(Random random, int world, int experts, int slots)
    {
        // Few ranks hold anything in some worlds.
        int holders = random.Next(1, world + 1);
        int[] expertOf = [.. Enumerable.Range(0, slots).Select(slot => slot < experts ? slot : random.Next(experts))];
        random.Shuffle(expertOf);
        return new SlotMap(world, [.. expertOf.Select(_ => random.Next(holders) * world / holders)], expertOf);
    }
}

/// <summary>Tokens of one rank: rows, experts (−1: none), the slots that they go to, routing weights.</summary>
internal sealed record RankTokens(float[][] Rows, int[][] Experts, int[][] Slots, float[][] Weights)
{
    public static RankTokens Random(Random random, SlotMap map, Topology topology, ExchangeOptions options, int rank, int tokens, int columns, int k)
    {
        float[][] rows = new float[tokens][];
        int[][] experts = new int[tokens][];
        float[][] weights = new float[tokens][];
        for (int token = 0; token < tokens; token++)
        {
            float size = MathF.Pow(10, random.Next(-3, 4));
            rows[token] = [.. Enumerable.Range(0, columns).Select(_ => (random.NextSingle() - 0.5f) * size)];
            int[] chosen = [.. Enumerable.Range(0, map.Experts).OrderBy(_ => random.Next()).Take(k)];
            experts[token] = [.. chosen.Select(expert => random.Next(6) == 0 ? -1 : expert)];
            weights[token] = [.. chosen.Select(_ => random.NextSingle())];
        }

        return new RankTokens(rows, experts, ChooseSlots(map, topology, options, rank, experts), weights);
    }

    /// <summary>Experts without replicas first; then for each choice the replica on the own host (where every host has tokens), on the rank with fewest choices so far, on the own host, that is nearest in rank order.</summary>
    public static int[][] ChooseSlots(SlotMap map, Topology topology, ExchangeOptions options, int rank, int[][] experts)
    {
        bool everyHost = topology.HostOfRank.Distinct().All(host => topology.HostOfRank.Select((number, peer) => (number, peer)).Any(one => one.number == host && options.MayHaveTokens(one.peer)));
        int[] given = new int[topology.World];
        int[][] slots = [.. experts.Select(chosen => chosen.Select(_ => -1).ToArray())];
        foreach (bool withReplicas in new[] { false, true })
        {
            for (int token = 0; token < experts.Length; token++)
            {
                for (int i = 0; i < experts[token].Length; i++)
                {
                    int[] replicas = [.. Enumerable.Range(0, map.Slots).Where(slot => map.ExpertOf(slot) == experts[token][i])];
                    if (replicas.Length > 0 && replicas.Length > 1 == withReplicas)
                    {
                        bool Crosses(int slot) => topology.Between(rank, map.RankOf(slot)) == LinkClass.CrossHost;
                        slots[token][i] = replicas.OrderBy(slot => everyHost && Crosses(slot))
                            .ThenBy(slot => given[map.RankOf(slot)]).ThenBy(Crosses).ThenBy(slot => (map.RankOf(slot) + topology.World - rank) % topology.World).First();
                        given[map.RankOf(slots[token][i])]++;
                    }
                }
            }
        }

        return slots;
    }
}
