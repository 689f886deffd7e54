using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.DataParallel;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;
using Conclave.Transport;
using Conclave.Transport.InProcess;

namespace Conclave.Parallel.Tests.DataParallel;

/// <summary>Rows of other ranks come to rank 0 as they were, and what cannot be is refused.</summary>
public sealed class HiddenReturnTests : IDisposable
{
    private const int World = 4;
    private const int DataRanks = 3;
    private const int MaxTokens = 20;

    // Rows that do not divide a message's bytes.
    private const int HiddenSize = 37;

    private static readonly ulong SideTag = new MessageTag(MessageKind.Side, IsLast: true, 0, 0, 0, 0).Encode();

    private readonly InProcessFabric _fabric = new(Topology.Even(World, 1), new TransportOptions { Credits = 1, MaxMessageBytes = 512 });
    private readonly WorkerTeam _team = new(1);
    private readonly HiddenReturn[] _returns;
    private readonly RankedExchange[] _exchanges;
    private readonly ForwardBatch[] _batches = [.. Enumerable.Range(0, DataRanks).Select(_ => new ForwardBatch(MaxTokens, 1, 1))];
    private readonly NativeBuffer _buffer;
    private readonly TensorView _rows;

    public HiddenReturnTests()
    {
        _exchanges = [.. Enumerable.Range(0, World).Select(rank => new RankedExchange(
            _fabric[rank], Topology.Even(World, 1), [SlotMap.Even(World, World)], ExchangeOptions.Exact with { TokenRanks = [0, 1, 2] }, HiddenSize, 2, KernelSet.Best, _team))];
        _returns = [.. _exchanges.Select(exchange => new HiddenReturn(exchange, new RankGroups(Topology.Even(World, 1), DataRanks, 1), MaxTokens, HiddenSize))];
        _buffer = NativeBuffer.ForF32(DataRanks * MaxTokens, HiddenSize, out _rows);
    }

    [Theory]
    [InlineData(20, 20)]
    [InlineData(1, 0)]
    [InlineData(0, 7)]
    [InlineData(3, 1)]
    public void Rows_come_in_the_order_of_ranks(int first, int second)
    {
        int[] counts = [5, first, second];
        for (int step = 0; step < 3; step++)
        {
            for (int rank = 0; rank < DataRanks; rank++)
            {
                _batches[rank].Clear();
                _batches[rank].Add(new int[MaxTokens], 0, AttentionForm.Expanded, [0], counts[rank]);
            }

            _returns[0].Expect(_batches);
            Thread[] senders = [.. Enumerable.Range(1, DataRanks - 1).Select(rank => new Thread(() => Send(rank, step)))];
            Array.ForEach(senders, sender => sender.Start());
            TensorView rows = _rows.SliceRows(0, first + second);
            _returns[0].Receive(rows);
            Array.ForEach(senders, sender => sender.Join());
            for (int row = 0; row < first + second; row++)
            {
                (int rank, int last) = row < first ? (1, row - first) : (2, row - first - second);
                Assert.Equal(Row(rank, MaxTokens + last, step), rows.RowF32(row).ToArray());
            }
        }
    }

    [Theory]
    [InlineData(1, 0, 0, "sent 0 bytes of hidden states where 296 are expected")]
    [InlineData(1, 0, 300, "sent 300 bytes of hidden states where 296 are expected")]
    [InlineData(2, 0, 1, "sent 1 bytes of hidden states where 0 are expected")]
    [InlineData(3, 0, 4, "sent 4 bytes of hidden states where 0 are expected")]
    [InlineData(0, 0, 4, "sent 4 bytes of hidden states where 0 are expected")]
    [InlineData(0, 1, 4, "sent 4 bytes of hidden states where 0 are expected")]
    [InlineData(2, 3, 4, "sent 4 bytes of hidden states where 0 are expected")]
    public void What_nobody_asked_for_is_refused(int liar, int victim, int bytes, string complaint)
    {
        Array.ForEach(_batches, batch => batch.Clear());
        _batches[1].Add([1, 2], 0, AttentionForm.Expanded, [0], 2);
        _returns[0].Expect(_batches);
        NativeBuffer memory = _fabric[liar].Register(bytes + 1);
        Assert.True(_fabric[liar].TrySend(victim, SideTag, new NativeSlice(memory, 0, bytes)));
        PeerException refused = Assert.Throws<PeerException>(_exchanges[victim].Progress);
        Assert.Equal((liar, $"rank {liar} {complaint}"), (refused.Rank, refused.Message));
    }

    [Fact]
    public void Of_a_group_the_first_rank_sends()
    {
        HiddenReturn[] returns = [.. _exchanges.Select(exchange => new HiddenReturn(exchange, new RankGroups(Topology.Even(World, 1), groups: 2, ranksOfGroup: 2), MaxTokens, HiddenSize))];
        Array.ForEach(_batches, batch => batch.Clear());
        _batches[1].Add([1, 2], 0, AttentionForm.Expanded, [0], 2);
        returns[0].Expect(_batches.AsSpan(0, 2));

        // The other one returns though nobody receives.
        Send(returns[3], 1, 3, step: 1);
        Thread sender = new(() => Send(returns[2], 1, 2, step: 2));
        sender.Start();
        TensorView rows = _rows.SliceRows(0, 2);
        returns[0].Receive(rows);
        sender.Join();
        Assert.Equal(Row(2, 0, 2), rows.RowF32(0).ToArray());
        Assert.Equal(Row(2, 1, 2), rows.RowF32(1).ToArray());
        Array.ForEach(returns, one => one.Dispose());
    }

    [Fact]
    public void A_rank_that_has_gone_is_named()
    {
        Array.ForEach(_batches, batch => batch.Clear());
        _batches[1].Add([1, 2], 0, AttentionForm.Expanded, [0], 2);
        _returns[0].Expect(_batches);
        _fabric[1].Dispose();
        Assert.Equal(1, Assert.Throws<PeerException>(() => _returns[0].Receive(_rows.SliceRows(0, 2))).Rank);
    }

    public void Dispose()
    {
        _fabric.Dispose();
        Array.ForEach(_returns, one => one.Dispose());
        Array.ForEach(_batches, batch => batch.Dispose());
        _buffer.Dispose();
        _team.Dispose();
    }

    private void Send(int rank, int step) => Send(_returns[rank], rank, rank, step);

    private void Send(HiddenReturn from, int batch, int rank, int step)
    {
        using NativeBuffer buffer = NativeBuffer.ForF32(MaxTokens, HiddenSize, out TensorView hidden);
        for (int row = 0; row < MaxTokens; row++)
        {
            Row(rank, row, step).CopyTo(hidden.RowF32(row));
        }

        from.Send(_batches[batch], hidden);
    }

    private static float[] Row(int rank, int row, int step) => [.. Enumerable.Range(0, HiddenSize).Select(column => (rank * 1e6f) + (step * 1e5f) + (row * 100) + column)];
}
