using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;
using Conclave.Parallel.Tests.Exchange;
using Conclave.Primitives;
using Conclave.Testing;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Balancing;

/// <summary>Whole models whose experts move from rank to rank under way give the bits of one rank.</summary>
public sealed class ModelSwitchTests
{
    private const int Switches = 3;
    private const int MostSteps = 5000;

    [Theory]
    [InlineData("fable", 8, 2)]
    [InlineData("fable", 5, 1)]
    [InlineData("v3-mtp-fp8", 4, 2)]
    [InlineData("v2-group-f32", 4, 1)]
    public void ExactModeGivesTheBitsOfOneRankAcrossSwitches(string name, int world, int hosts)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Model(name));
        ModelConfig config = checkpoint.Config;
        int[][] requests = [.. Enumerable.Range(0, 6).Select(i => RequestSteps.Tokens(checkpoint, 20 + (7 * i), i))];
        uint[][][] alone = [.. requests.Select(request => RequestSteps.Alone(checkpoint, KernelSet.Best, request))];
        int slotsOfRank = Math.Min(config.RoutedExperts, ((config.RoutedExperts + world - 1) / world) + 1);
        PlacementShape shape = new(config.RoutedExperts, slotsOfRank * world, 1, hosts, world);
        ExpertPlacement start = ExpertPlacement.InOrder(shape, config.IsMoeLayer.Count(isMoe => isMoe));
        Topology topology = Topology.Even(world, hosts);
        InProcessWorld.Run(topology, new TransportOptions { Credits = 2, MaxMessageBytes = 4096 }, world, transport =>
        {
            using WorkerTeam team = new(1);
            SlotMap?[] slots = SlotMap.ByLayer(start, config.IsMoeLayer);
            RankedExchange exchange = new(transport, topology, slots, ExchangeOptions.Exact, config.HiddenSize, config.ExpertsPerToken, KernelSet.Best, team);
            ExpertPartition partition = new(exchange, layer => slots[layer]!.ExpertsOf(transport.Rank));

            // Every third rank has no requests; the others have the same ones in turns, each beginning with another.
            int[] order = [.. Enumerable.Range(0, MostSteps).Select(i => (i + transport.Rank) % requests.Length)];
            using RequestSteps steps = new(
                checkpoint, KernelSet.Best, team, transport.Rank % 3 == 2 ? [] : order.Select(request => requests[request]), partition);
            using Balancer balancer = new(exchange, steps.Model, start, new BalancerOptions { WindowTokens = 60 * world }, Assert.Fail);

            // All ranks switch before the same step, so they stop after the same one.
            for (int step = 0; balancer.Placement.Epoch < Switches || step < 80; step++)
            {
                Assert.InRange(step, 0, MostSteps);
                balancer.BetweenSteps();
                steps.Next();
            }

            Assert.Null(balancer.Report.Failure);
            for (int i = 0; i < steps.Logits.Count; i++)
            {
                (int request, int logits) = Math.DivRem(i, RequestSteps.LogitsOfRequest);
                Assert.Equal(alone[order[request]][logits], steps.Logits[i]);
            }

            // The weights are those of the placement.
            int placed = 0;
            for (int layer = 0; layer < config.Layers; layer++)
            {
                int[] expected = config.IsMoeLayer[layer]
                    ? balancer.Placement.Experts(placed++).Slice(transport.Rank * slotsOfRank, slotsOfRank).ToArray() : [];
                Assert.Equal(expected, steps.Model.Experts.Experts(layer));
            }
        });
    }

    [Fact]
    public void ExpertsThatTheCheckpointLacksAreRefusedByName()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fable);
        using WorkerTeam team = new(1);
        using DeepSeekModel model = new(checkpoint, KernelSet.Best, team, new ModelOptions { CacheBlocks = 1 });
        Assert.Equal(checkpoint.Config.RoutedExperts, model.Experts.Experts(1).Count);
        Assert.Contains("experts.64.", Assert.Throws<UserErrorException>(() => model.MapExperts(_ => [64])).Message, StringComparison.Ordinal);
    }
}
