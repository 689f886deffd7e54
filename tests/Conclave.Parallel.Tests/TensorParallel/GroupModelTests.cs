using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Models.Tests;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.TensorParallel;
using Conclave.Parallel.Tests.Exchange;
using Conclave.Testing;
using Conclave.Transport;
using Conclave.Transport.InProcess;

namespace Conclave.Parallel.Tests.TensorParallel;

/// <summary>A model whose attention is divided over a group and whose experts are divided over a world gives the bits of a single rank, and each token travels from one rank.</summary>
public sealed class GroupModelTests
{
    // The step with one token is not divided, all others are.
    private const int DivideFrom = 2;

    public static TheoryData<string> Models() => [.. Repository.SmallModels];

    [Theory]
    [MemberData(nameof(Models))]
    public void GroupsGiveTheBitsOfOneRank(string name)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Model(name));
        using WorkerTeam team = new(1);
        GroupSteps expected = GroupSteps.Run(checkpoint, new ModelOptions { CacheBlocks = 0 }, KernelSet.Best, team);
        foreach ((int ranks, int world, int hosts, int? divideFrom) in new (int, int, int, int?)[]
        {
            (2, 2, 1, null), (2, 2, 1, DivideFrom), (2, 4, 2, DivideFrom), (4, 4, 1, null), (4, 5, 1, DivideFrom),
        })
        {
            CheckWorld(checkpoint, expected, ranks, world, hosts, divideFrom);
        }
    }

    private static void CheckWorld(Checkpoint checkpoint, GroupSteps expected, int ranks, int world, int hosts, int? divideFrom)
    {
        ModelConfig config = checkpoint.Config;
        SlotMap slots = SlotMap.Even(world, config.RoutedExperts);
        SlotMap?[] layers = [.. config.IsMoeLayer.Select(isMoe => isMoe ? slots : null), slots];
        Topology topology = Topology.Even(world, hosts);
        using InProcessFabric group = new(Topology.Even(ranks, 1), new TransportOptions { Credits = 2, MaxMessageBytes = 1000 }, world);
        InProcessWorld.Run(topology, new TransportOptions { Credits = 2, MaxMessageBytes = 4096 }, world, transport =>
        {
            int rank = transport.Rank;
            using ITransport? ofGroup = rank < ranks ? group[rank] : null;
            using WorkerTeam team = new(1);
            RankedExchange exchange = new(
                transport, topology, layers, ExchangeOptions.Exact with { TokenRanks = [.. Enumerable.Range(0, ranks)] }, config.HiddenSize, config.ExpertsPerToken, KernelSet.Best, team);
            ModelOptions options = new()
            {
                CacheBlocks = 0,
                Experts = new ExpertPartition(exchange, _ => slots.SlotsOf(rank).ToArray(), null, divideFrom),
                Attention = ofGroup is null ? null : new AttentionPartition(rank, ranks, new RankGather(ofGroup, exchange)),
            };
            GroupSteps steps = GroupSteps.Run(checkpoint, options, KernelSet.Best, team, hasTokens: rank < ranks, wantsLogits: rank == 0);
            exchange.Flush();
            if (rank < ranks)
            {
                Assert.Equal(expected.Hidden, steps.Hidden);
                Assert.Equal(rank == 0 ? expected.Logits : [.. expected.Logits.Select(_ => Array.Empty<uint>())], steps.Logits);
            }
        });
    }
}
