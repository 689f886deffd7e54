using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.DataParallel;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;
using Conclave.Parallel.Tests.Exchange;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>What ranks do in a step beside the model's own operators: exchanges, the return of hidden rows, the counting of loads. It allocates nothing on the managed heap.</summary>
public sealed unsafe class StepAllocationTests
{
    private const int Layers = 2;
    private const int Tokens = 6;
    private const int ExpertsPerToken = 3;
    private const int Columns = 300;

    // In the first steps messages are held for the first time.
    private const int WarmUp = 100;
    private const int Measured = 100;

    // Loads are told when they are a sixth of a window: in the 85th step, the 170th, and, when the window is full, the 255th.
    private const int Window = 2880;

    private static readonly PlacementShape Shape = new(experts: 12, slots: 15, groups: 1, hosts: 2, ranks: 3);

    [Theory]
    [InlineData(ExchangePath.TwoHop, PayloadFormat.F32, PayloadFormat.F32, CombineReduction.None)]
    [InlineData(ExchangePath.TwoHop, PayloadFormat.E4M3, PayloadFormat.BF16, CombineReduction.InHost)]
    [InlineData(ExchangePath.OneHop, PayloadFormat.BF16, PayloadFormat.BF16, CombineReduction.None)]
    public void A_step_over_ranks_allocates_nothing(ExchangePath path, PayloadFormat dispatch, PayloadFormat combine, CombineReduction reduction)
    {
        long[] allocated = new long[Shape.Ranks];
        int windows = 0;
        Topology topology = new(Enumerable.Range(0, Shape.Ranks).Select(Shape.HostOf));
        InProcessWorld.Run(topology, new TransportOptions { Credits = 2, MaxMessageBytes = 2000 }, 1, transport =>
        {
            using WorkerTeam team = new(1);
            using Rank rank = new(transport, topology, new ExchangeOptions(path, dispatch, combine, reduction), team, () => windows++);
            for (int step = 0; step < WarmUp + Measured; step++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                rank.Step(step);
                allocated[transport.Rank] += step < WarmUp ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            }

            // What was counted under way was no window yet, and soon is one.
            Assert.Equal(0, Volatile.Read(ref windows));
            for (int step = 0; step < WarmUp; step++)
            {
                rank.Step(step);
            }
        });
        Assert.Equal(1, windows);
        Assert.All(allocated, bytes => Assert.Equal(0, bytes));
    }

    private sealed class Rank : IDisposable
    {
        private readonly RankedExchange _exchange;
        private readonly HiddenReturn _hidden;
        private readonly Balancer _balancer;
        private readonly ExchangeSlot _slot;
        private readonly ForwardBatch[] _batches = [new(Tokens, 1, 1), new(Tokens, 1, 1)];
        private readonly NativeBuffer _memory;
        private readonly TensorView _rows;
        private readonly TensorView _outputs;
        private readonly TensorView _logitRows;
        private readonly Routing _routing;
        private readonly int? _group;

        public Rank(ITransport transport, Topology topology, ExchangeOptions options, WorkerTeam team, Action planned)
        {
            ExpertPlacement placement = ExpertPlacement.InOrder(Shape, Layers);
            RankGroups groups = new(topology, groups: 2, ranksOfGroup: 1);
            _group = groups.Of(transport.Rank);
            _exchange = new RankedExchange(
                transport, topology, SlotMap.ByLayer(placement, [true, true]), options with { TokenRanks = groups.TokenRanks }, Columns, ExpertsPerToken, KernelSet.Best, team);
            _hidden = new HiddenReturn(_exchange, groups, Tokens, Columns);
            _balancer = new Balancer(_exchange, placement, new BalancerOptions { WindowTokens = Window }, _ => { }, _ => () => { }, Plan, inBackground: false);
            _slot = _exchange.CreateSlot(Tokens);
            _memory = NativeBuffer.ForF32((3 * Tokens) + _slot.MaxRows, Columns, out TensorView all);
            int tokens = _group is null ? 0 : Tokens;
            _rows = all.SliceRows(0, tokens);
            _logitRows = all.SliceRows(Tokens, Tokens);
            _outputs = all.SliceRows(3 * Tokens, _slot.MaxRows);
            float* routed = all.PointerF32(2 * Tokens);
            _routing = new Routing((int*)routed, routed + (Tokens * ExpertsPerToken), tokens, ExpertsPerToken);
            Array.ForEach(_batches, batch => batch.Add(new int[Tokens], 0, AttentionForm.Expanded, [0], Tokens));

            ExpertPlacement Plan(ExpertLoads loads, ExpertPlacement present)
            {
                planned();
                return present;
            }
        }

        public void Step(int step)
        {
            if (_group == 0)
            {
                _hidden.Expect(_batches);
            }

            _balancer.BetweenSteps();
            for (int layer = 0; layer < Layers; layer++)
            {
                for (int token = 0; token < _rows.Rows; token++)
                {
                    _rows.RowF32(token).Fill(token + layer);
                    for (int i = 0; i < ExpertsPerToken; i++)
                    {
                        // Every expert some time; the first token has one less.
                        _routing.Experts(token)[i] = token + i == 0 ? -1 : (step + token + (4 * i)) % Shape.Experts;
                        _routing.Weights(token)[i] = 1;
                    }
                }

                _exchange.BeginDispatch(_slot, layer, _rows, _routing);
                ExpertRows rows = _exchange.FinishDispatch(_slot, out TensorView input);
                for (int row = 0; row < rows.Count; row++)
                {
                    input.RowF32(rows.Sources[row]).CopyTo(_outputs.RowF32(row));
                }

                _exchange.BeginCombine(_slot, _outputs.SliceRows(0, rows.Count));
                _exchange.FinishCombine(_slot, _rows);
            }

            if (_group == 0)
            {
                _hidden.Receive(_logitRows);
            }
            else if (_group is { } group)
            {
                _hidden.Send(_batches[group], _rows);
            }

            _exchange.Flush();
        }

        public void Dispose()
        {
            _balancer.Dispose();
            _hidden.Dispose();
            _slot.Dispose();
            _memory.Dispose();
            Array.ForEach(_batches, batch => batch.Dispose());
        }
    }
}
