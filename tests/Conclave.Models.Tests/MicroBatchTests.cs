using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Testing;

namespace Conclave.Models.Tests;

/// <summary>How steps in two micro-batches run.</summary>
public sealed class MicroBatchTests : IDisposable
{
    private readonly Checkpoint _checkpoint = Checkpoint.Open(Repository.Fable);
    private readonly WorkerTeam _team = new(1);
    private readonly ForwardBatch _batch = new(8, 1, 1);
    private readonly RecordingExchange _exchange;
    private readonly DeepSeekModel _model;

    public MicroBatchTests()
    {
        ExpertPartition partition = RecordingExchange.Divided(_checkpoint.Config, KernelSet.Best, _team);
        _exchange = (RecordingExchange)partition.Exchange;
        _model = new DeepSeekModel(_checkpoint, KernelSet.Best, _team, new ModelOptions { CacheBlocks = 1, MaxTokensPerStep = 8, Experts = partition });
    }

    public void Dispose()
    {
        _model.Dispose();
        _batch.Dispose();
        _team.Dispose();
        _checkpoint.Dispose();
    }

    [Fact]
    public void One_computes_while_the_other_travels()
    {
        _batch.Add([5, 6, 7], 0, AttentionForm.Expanded, [0], 1);
        _model.Forward(_batch);

        // fable's first layer has no experts; in the four others both halves are sent before either is computed, and the second comes back under the attention of the first in the next layer.
        string record = _exchange.Record;
        Assert.Equal("d0d1D0c0D1c1C0" + string.Concat(Enumerable.Repeat("d0C1d1D0c0D1c1C0", 3)) + "C1", record.Replace(".", "", StringComparison.Ordinal));
        Assert.Contains("c1C0..d0", record, StringComparison.Ordinal);
    }

    [Fact]
    public void Steps_below_the_bound_are_not_divided()
    {
        _batch.Add([5], 0, AttentionForm.Expanded, [0], 1);
        _model.Forward(_batch);
        Assert.Equal(string.Concat(Enumerable.Repeat("d0D0c0C0", 4)), _exchange.Record);
    }

    [Fact]
    public void Nothing_is_allocated_for_a_step()
    {
        long allocated = 0;
        for (int step = 0; step < 4; step++)
        {
            _batch.Clear();
            _batch.Add([5, 6, 7], step * 3, AttentionForm.Expanded, [0], 1);
            long before = GC.GetAllocatedBytesForCurrentThread();
            _model.Forward(_batch);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        // The first steps make logits and scratch memory.
        Assert.Equal(0, allocated);
    }
}
