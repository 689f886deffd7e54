using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Testing;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>Whole models over many ranks give the bits of one rank in exact mode, whoever holds the experts and whoever has tokens.</summary>
public sealed class ModelBitsTests
{
    private const int PromptLength = 40;

    // Steps with a token of each of three requests are not divided, all others are.
    private const int DivideFrom = 4;

    public static TheoryData<string, string> Models()
    {
        TheoryData<string, string> cases = [];
        foreach (KernelSet kernels in KernelSet.Supported)
        {
            foreach (string model in Repository.SmallModels)
            {
                cases.Add(kernels.Name, model);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void ExactModeGivesTheBitsOfOneRank(string isa, string name)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Model(name));
        KernelSet kernels = KernelSet.Find(isa);

        // Three requests, on ranks as far apart as can be, and the first and third end earlier than the second.
        int[][] requests = [RequestSteps.Tokens(checkpoint, PromptLength, 1), RequestSteps.Tokens(checkpoint, PromptLength + 30, 2), RequestSteps.Tokens(checkpoint, 5, 3)];
        uint[][][] alone = [.. requests.Select(request => RequestSteps.Alone(checkpoint, kernels, request))];
        foreach ((int world, int hosts) in new[] { (1, 1), (2, 1), (2, 2), (3, 2), (5, 2), (8, 1), (8, 2) })
        {
            CheckWorld(checkpoint, kernels, requests, alone, world, hosts, null);
        }

        foreach ((int world, int hosts) in new[] { (1, 1), (2, 2), (3, 2), (5, 2) })
        {
            CheckWorld(checkpoint, kernels, requests, alone, world, hosts, DivideFrom);
        }
    }

    public static TheoryData<string, int, int> Worlds()
    {
        TheoryData<string, int, int> cases = [];
        foreach (string model in Repository.SmallModels)
        {
            foreach (int world in (int[])[1, 2, 3, 5, 8, 16, 64])
            {
                foreach (int hosts in ((int[])[1, 2, 8]).Where(hosts => hosts <= world))
                {
                    cases.Add(model, world, hosts);
                }
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Worlds))]
    public void ExactModeGivesTheBitsOfOneRankInEveryWorld(string name, int world, int hosts)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Model(name));
        int[][] requests = [RequestSteps.Tokens(checkpoint, PromptLength, 1), RequestSteps.Tokens(checkpoint, 5, 2), RequestSteps.Tokens(checkpoint, 9, 3)];
        uint[][][] alone = [.. requests.Select(request => RequestSteps.Alone(checkpoint, KernelSet.Best, request))];
        CheckWorld(checkpoint, KernelSet.Best, requests, alone, world, hosts, hosts == 2 ? null : DivideFrom);
    }

    public static TheoryData<string> SmallModels() => [.. Repository.SmallModels];

    [Theory]
    [MemberData(nameof(SmallModels))]
    public void ExactModeGivesTheBitsOfOneRankOverUcxToo(string name)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Model(name));
        int[][] requests = [RequestSteps.Tokens(checkpoint, PromptLength, 1), RequestSteps.Tokens(checkpoint, 5, 2), RequestSteps.Tokens(checkpoint, 9, 3)];
        uint[][][] alone = [.. requests.Select(request => RequestSteps.Alone(checkpoint, KernelSet.Best, request))];
        CheckWorld(checkpoint, KernelSet.Best, requests, alone, 3, 2, null, overUcx: true);
        CheckWorld(checkpoint, KernelSet.Best, requests, alone, 5, 2, DivideFrom, overUcx: true);
    }

    private static void CheckWorld(
        Checkpoint checkpoint, KernelSet kernels, int[][] requests, uint[][][] alone, int world, int hosts, int? divideFrom, bool overUcx = false)
    {
        uint[][]?[] answers = new uint[world][][];
        SlotMap slots = SlotMap.Even(world, checkpoint.Config.RoutedExperts);
        Topology topology = Topology.Even(world, hosts);
        int RankOf(int request) => request * world / requests.Length;
        int[][] tokens = [.. Enumerable.Range(0, world).Select(rank => requests.Where((_, i) => RankOf(i) == rank).SelectMany(RequestSteps.TokensOfSteps).ToArray())];
        int[] tokensOfAll = [.. Enumerable.Range(0, tokens.Max(steps => steps.Length)).Select(step => tokens.Sum(steps => steps.ElementAtOrDefault(step)))];
        TransportOptions transportOptions = new() { Credits = 2, MaxMessageBytes = 4096 };
        void Rank(ITransport transport)
        {
            using WorkerTeam team = new(1);
            ModelConfig config = checkpoint.Config;
            SlotMap?[] layers = [.. config.IsMoeLayer.Select(isMoe => isMoe ? slots : null), slots];
            RankedExchange exchange = new(
                transport, topology, layers, ExchangeOptions.Exact, config.HiddenSize, config.ExpertsPerToken, kernels, team);
            ExpertPartition partition = new(exchange, _ => slots.SlotsOf(transport.Rank).ToArray(), null, divideFrom, DataRanks: 2);
            int[][] mine = [.. requests.Where((_, i) => RankOf(i) == transport.Rank)];
            using RequestSteps mySteps = new(checkpoint, kernels, team, mine, partition);
            Array.ForEach(tokensOfAll, count => mySteps.Next(count));

            answers[transport.Rank] = [.. mySteps.Logits];
        }

        if (overUcx)
        {
            InProcessWorld.RunOverUcx(topology, transportOptions, Rank);
        }
        else
        {
            InProcessWorld.Run(topology, transportOptions, world, Rank);
        }

        for (int i = 0; i < requests.Length; i++)
        {
            int before = Enumerable.Range(0, i).Count(earlier => RankOf(earlier) == RankOf(i));
            Assert.Equal(alone[i], answers[RankOf(i)]![(before * RequestSteps.LogitsOfRequest)..((before + 1) * RequestSteps.LogitsOfRequest)]);
        }
    }
}
