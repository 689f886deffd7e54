using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Testing;

namespace Conclave.Models.Tests;

/// <summary>How steps in two micro-batches run.</summary>
public sealed class MicroBatchTests
{
    [Fact]
    public void One_computes_while_the_other_travels()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fable);
        using WorkerTeam team = new(1);
        ExpertPartition partition = RecordingExchange.Divided(checkpoint.Config, KernelSet.Best, team);
        using DeepSeekModel model = new(checkpoint, KernelSet.Best, team, new ModelOptions { CacheBlocks = 1, MaxTokensPerStep = 8, Experts = partition });
        using ForwardBatch batch = new(8, 1, 1);
        batch.Add([5, 6, 7], 0, AttentionForm.Expanded, [0], 1);
        model.Forward(batch);

        // fable's first layer has no experts; in the four others both halves are sent before either is computed, and the second comes back under the attention of the first in the next layer.
        string record = ((RecordingExchange)partition.Exchange).Record;
        Assert.Equal("d0d1D0c0D1c1C0" + string.Concat(Enumerable.Repeat("d0C1d1D0c0D1c1C0", 3)) + "C1", record.Replace(".", "", StringComparison.Ordinal));
        Assert.Contains("c1C0..d0", record, StringComparison.Ordinal);
    }

    [Fact]
    public void Steps_below_the_bound_are_not_divided()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fable);
        using WorkerTeam team = new(1);
        ExpertPartition partition = RecordingExchange.Divided(checkpoint.Config, KernelSet.Best, team);
        using DeepSeekModel model = new(checkpoint, KernelSet.Best, team, new ModelOptions { CacheBlocks = 1, MaxTokensPerStep = 8, Experts = partition });
        using ForwardBatch batch = new(8, 1, 1);
        batch.Add([5], 0, AttentionForm.Expanded, [0], 1);
        model.Forward(batch);
        Assert.Equal(string.Concat(Enumerable.Repeat("d0D0c0C0", 4)), ((RecordingExchange)partition.Exchange).Record);
    }

    [Fact]
    public void Nothing_is_allocated_for_a_step()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fable);
        using WorkerTeam team = new(1);
        ExpertPartition partition = RecordingExchange.Divided(checkpoint.Config, KernelSet.Best, team);
        using DeepSeekModel model = new(checkpoint, KernelSet.Best, team, new ModelOptions { CacheBlocks = 1, MaxTokensPerStep = 8, Experts = partition });
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
}
