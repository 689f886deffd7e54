using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;
using Conclave.Transport;
using Conclave.Transport.InProcess;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>Ranks change to another placement between the same exchanges; who does not is refused.</summary>
public sealed unsafe class PlacementSwitchTests
{
    private const int Columns = 4;
    private static readonly Topology Pair = Topology.Even(2, 1);
    private static readonly SlotMap First = new(2, [0, 1], [0, 1]);
    private static readonly SlotMap Second = new(2, [0, 1], [1, 0]);

    [Fact]
    public void APeerMayBeAheadOfASwitch()
    {
        using InProcessFabric fabric = new(Pair, new TransportOptions());
        using WorkerTeam team = new(1);
        using Side left = new(fabric[0], team);
        using Side right = new(fabric[1], team);
        left.Exchange.PreparePlacement([Second]);
        right.Exchange.PreparePlacement([Second]);
        left.Begin();
        right.Begin();
        Assert.Throws<InvalidOperationException>(left.Exchange.SwitchPlacement);
        left.Compute(rows: 2);
        right.Compute(rows: 0);

        // The left one switches and begins the next exchange while the right one is still in the last.
        left.Finish();
        left.Exchange.SwitchPlacement();
        left.Begin();
        right.Finish();
        Assert.Equal((1, 0), (left.Exchange.Epoch, right.Exchange.Epoch));
        right.Exchange.SwitchPlacement();
        right.Begin();
        left.Compute(rows: 0);
        right.Compute(rows: 2);
        left.Finish();
        right.Finish();
    }

    [Theory]
    [InlineData(true, false, "in epoch 1, where others are at layer 0 in epoch 0")]
    [InlineData(true, true, "in epoch 1, where others are at layer 0 in epoch 0")]
    [InlineData(false, false, "of another epoch; this rank is in epoch 0")]
    [InlineData(false, true, "of another epoch; this rank is in epoch 0")]
    public void WhoSwitchesAloneIsRefused(bool isPrepared, bool isHeardBefore, string complaint)
    {
        using InProcessFabric fabric = new(Pair, new TransportOptions());
        using WorkerTeam team = new(1);
        using Side left = new(fabric[0], team);
        using Side right = new(fabric[1], team);
        left.Exchange.PreparePlacement([Second]);
        left.Exchange.SwitchPlacement();
        if (isPrepared)
        {
            right.Exchange.PreparePlacement([Second]);
        }

        left.Begin();
        PeerException refused = Assert.Throws<PeerException>(() =>
        {
            if (isHeardBefore)
            {
                right.Exchange.Progress();
            }

            right.Begin();
        });
        Assert.Equal(0, refused.Rank);
        Assert.Contains(complaint, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void APlacementThatDoesNotFitIsRefused()
    {
        using InProcessFabric fabric = new(Pair, new TransportOptions());
        using WorkerTeam team = new(1);
        using Side left = new(fabric[0], team);
        Assert.Throws<ArgumentException>(() => left.Exchange.PreparePlacement([null]));
        Assert.Throws<ArgumentException>(() => left.Exchange.PreparePlacement([First, First]));
        Assert.Throws<ArgumentException>(() => left.Exchange.PreparePlacement([new SlotMap(2, [0, 0], [0, 1])]));
        Assert.Throws<ArgumentException>(() => left.Exchange.PreparePlacement([new SlotMap(2, [0, 1], [0, 2])]));
        Assert.Throws<InvalidOperationException>(left.Exchange.SwitchPlacement);
    }

    /// <summary>A rank whose only token chooses expert 0.</summary>
    private sealed class Side : IDisposable
    {
        private readonly ExchangeSlot _slot;
        private readonly NativeBuffer _buffer = NativeBuffer.ForF32(4, Columns, out _);
        private readonly TensorView _token;
        private readonly TensorView _outputs;
        private readonly Routing _routing;

        public Side(ITransport transport, WorkerTeam team)
        {
            Exchange = new RankedExchange(transport, Pair, [First], ExchangeOptions.Exact, Columns, 1, KernelSet.Best, team);
            _slot = Exchange.CreateSlot(1);
            _token = new TensorView(_buffer.Data, ElementFormat.F32, 1, Columns);
            _outputs = new TensorView(_buffer.Data + (Columns * sizeof(float)), ElementFormat.F32, 2, Columns);
            float* routing = (float*)_buffer.Data + (3 * Columns);
            *(routing + 1) = 1;
            _routing = new Routing((int*)routing, routing + 1, 1, 1);
        }

        public RankedExchange Exchange { get; }

        public void Begin() => Exchange.BeginDispatch(_slot, 0, _token, _routing);

        public void Compute(int rows)
        {
            Assert.Equal(rows, Exchange.FinishDispatch(_slot, out _).Count);
            Exchange.BeginCombine(_slot, _outputs.SliceRows(0, rows));
        }

        public void Finish() => Exchange.FinishCombine(_slot, _token);

        public void Dispose()
        {
            _slot.Dispose();
            _buffer.Dispose();
        }
    }
}
