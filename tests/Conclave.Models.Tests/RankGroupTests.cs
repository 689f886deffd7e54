using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Models.Tests;

/// <summary>A model whose attention is divided over a group of ranks gives the bits of a single rank.</summary>
public sealed class RankGroupTests
{
    public static TheoryData<string, string> Cases()
    {
        TheoryData<string, string> cases = [];
        foreach (string isa in InstructionSets.Names)
        {
            foreach (string model in Repository.SmallModels)
            {
                cases.Add(new TheoryDataRow<string, string>(isa, model) { Skip = InstructionSets.WhyNot(isa) });
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void GroupsGiveTheBitsOfOneRank(string isa, string name)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Model(name));
        KernelSet kernels = KernelSet.Find(isa);
        foreach ((ElementFormat cacheFormat, int[] groups) in new (ElementFormat, int[])[] { (ElementFormat.F32, [2, 4, 8]), (ElementFormat.BF16, [4]) })
        {
            ModelOptions options = new() { CacheBlocks = 0, CacheFormat = cacheFormat };
            using WorkerTeam alone = new(1);
            GroupSteps expected = GroupSteps.Run(checkpoint, options, kernels, alone);
            foreach (int ranks in groups.Where(ranks => checkpoint.Config.Heads % ranks == 0))
            {
                bool divide = ranks == 2;
                SharedMemoryGather.Run(ranks, attention =>
                {
                    using WorkerTeam team = new(attention.Rank == 1 ? 2 : 1);
                    ExpertPartition? experts = divide ? RecordingExchange.Divided(checkpoint.Config, kernels, team) : null;
                    GroupSteps steps = GroupSteps.Run(
                        checkpoint, options with { Attention = attention, Experts = experts }, kernels, team, wantsLogits: attention.Rank == 0);
                    Assert.Equal(expected.Hidden, steps.Hidden);
                    Assert.Equal(attention.Rank == 0 ? expected.Logits : [.. expected.Logits.Select(_ => Array.Empty<uint>())], steps.Logits);
                });
            }
        }
    }

    [Fact]
    public void ARankThatFailsAmongOthersPartsStillWaitsForThem()
    {
        // Rank 1's part has a row more than rank 0 expects. Neither may leave, and free its own, before both are done; and rank 1 must not wait for rank 0 in vain.
        AggregateException failed = Assert.Throws<AggregateException>(() => SharedMemoryGather.Run(2, attention =>
        {
            using NativeBuffer memory = NativeBuffer.ForF32(3, 4, out TensorView matrix);
            attention.Gather.Gather([matrix.SliceRows(0, 1), matrix.SliceRows(1, 1 + attention.Rank)]);
        }));
        Assert.Contains("Values differ", Assert.Single(failed.InnerExceptions).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NothingIsAllocatedForAStep()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fable);
        using WorkerTeam team = new(1);
        ModelOptions options = new() { CacheBlocks = 1, MaxTokensPerStep = 8, Attention = new AttentionPartition(0, 2, new NoGather()) };
        using DeepSeekModel model = new(checkpoint, KernelSet.Best, team, options);
        using ForwardBatch batch = new(8, 1, 1);
        long allocated = 0;
        for (int step = 0; step < 4; step++)
        {
            batch.Clear();
            batch.Add([5, 6, 7], step * 3, AttentionForm.Expanded, [0], 1);
            long before = GC.GetAllocatedBytesForCurrentThread();
            model.Forward(batch);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        // The first steps make logits and scratch memory.
        Assert.Equal(0, allocated);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(16)]
    public void HeadsThatRanksDoNotDivideAreRefusedWithTheNumbers(int ranks)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fable);
        using WorkerTeam team = new(1);
        ModelOptions options = new() { CacheBlocks = 1, Attention = new AttentionPartition(0, ranks, null!) };
        UserErrorException refused = Assert.Throws<UserErrorException>(() => new DeepSeekModel(checkpoint, KernelSet.Best, team, options));
        Assert.Equal($"the model has 8 attention heads, which {ranks} ranks cannot share evenly; divide attention (--tp) over a number of ranks that divides 8", refused.Message);
    }

    /// <summary>Leaves what the others would have computed as it is.</summary>
    private sealed class NoGather : IRankGather
    {
        public void Gather(ReadOnlySpan<TensorView> parts)
        {
        }
    }
}
