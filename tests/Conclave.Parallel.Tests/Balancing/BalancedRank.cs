using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;
using Conclave.Parallel.Tests.Exchange;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Balancing;

/// <summary>What the ranks of a balanced world have in common.</summary>
internal sealed record BalancedWorld
{
    public required PlacementShape Shape { get; init; }

    public int Layers { get; init; } = 2;

    public int ExpertsPerToken { get; init; } = 2;

    public int MaxTokens { get; init; } = 6;

    public BalancerOptions Options { get; init; } = new() { WindowTokens = 100 };

    public ExchangeOptions Mode { get; init; } = ExchangeOptions.Exact;

    public TransportOptions Transport { get; init; } = new() { Credits = 2, MaxMessageBytes = 256 };

    public bool InBackground { get; init; }

    /// <summary>Is called with the rank when it has to get a placement ready.</summary>
    public Action<int> Preparing { get; init; } = _ => { };

    public Func<ExpertLoads, ExpertPlacement, ExpertPlacement>? Planner { get; init; }

    /// <summary>Ranks that never have tokens.</summary>
    public Func<int, bool> IsIdle { get; init; } = _ => false;

    public Topology Topology => new(Enumerable.Range(0, Shape.Ranks).Select(Shape.HostOf));

    public ExpertPlacement Start => ExpertPlacement.InOrder(Shape, Layers);

    /// <summary>Runs steps on all ranks, each on a thread.</summary>
    /// <param name="seed">Of all that is random.</param>
    /// <param name="steps">Is asked after each step whether another one follows; must answer the same on all ranks.</param>
    /// <param name="finished">Is handed each rank at the end.</param>
    /// <param name="wrap">Puts something between a rank and its transport.</param>
    public void Run(int seed, Func<BalancedRank, bool> steps, Action<BalancedRank> finished, Func<ITransport, ITransport>? wrap = null) =>
        InProcessWorld.Run(Topology, Transport, seed, transport =>
        {
            using BalancedRank rank = new(this, wrap?.Invoke(transport) ?? transport, seed);
            do
            {
                rank.Step();
            }
            while (steps(rank));

            finished(rank);
        });
}

/// <summary>
/// A rank with a balancer, in the place of a model: its "weights" are a table of experts that the balancer's preparation makes and its switch puts in use. Every output is checked, to its bits, against
/// the sum that the routing asks for; where the exchange sums in another order, numbers are such that no sum is rounded.
/// </summary>
internal sealed unsafe class BalancedRank : IDisposable
{
    private const int Columns = 8;

    private readonly BalancedWorld _world;
    private readonly WorkerTeam _team = new(1);
    private readonly RankedExchange _exchange;
    private readonly ExchangeSlot _slot;
    private readonly Random _random;
    private readonly NativeBuffer _memory;
    private readonly TensorView _hidden;
    private readonly TensorView _outputs;
    private readonly TensorView _result;
    private readonly int* _experts;
    private readonly float* _weights;
    private int[][] _table;

    public BalancedRank(BalancedWorld world, ITransport transport, int seed)
    {
        _world = world;
        Rank = transport.Rank;
        _random = new Random(HashCode.Combine(seed, Rank));
        ExpertPlacement start = world.Start;
        SlotMap?[] slots = SlotMap.ByLayer(start, [.. Enumerable.Repeat(true, world.Layers)]);
        _table = TableOf(slots);
        _exchange = new RankedExchange(
            transport, world.Topology, slots, world.Mode, Columns, world.ExpertsPerToken, KernelSet.Best, _team);
        Balancer = new Balancer(
            _exchange,
            start,
            world.Options,
            Warnings.Add,
            Prepare,
            world.Planner ?? ((loads, present) => PlacementPlanner.Plan(present.Shape, loads, present, world.Options.MoveBudget)),
            world.InBackground);
        _slot = _exchange.CreateSlot(world.MaxTokens);
        int rows = (2 * world.MaxTokens) + _slot.MaxRows;
        _memory = NativeBuffer.ForF32(rows + (2 * world.MaxTokens * world.ExpertsPerToken), Columns, out TensorView all);
        _hidden = all.SliceRows(0, world.MaxTokens);
        _result = all.SliceRows(world.MaxTokens, world.MaxTokens);
        _outputs = all.SliceRows(2 * world.MaxTokens, _slot.MaxRows);
        _experts = (int*)all.PointerF32(rows);
        _weights = all.PointerF32(rows + (world.MaxTokens * world.ExpertsPerToken));
    }

    private bool IsWhole => _world.Mode != ExchangeOptions.Exact;

    public int Rank { get; }

    public Balancer Balancer { get; }

    public int Steps { get; private set; }

    /// <summary>Choices that this rank's tokens made.</summary>
    public long Chosen { get; private set; }

    /// <summary>Rows that this rank's experts computed.</summary>
    public long Computed { get; private set; }

    /// <summary>What a person was told.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>Tables that were made, whether they are still there or not.</summary>
    public List<WeakReference> Tables { get; } = [];

    public void Step()
    {
        Steps++;
        Balancer.BetweenSteps();
        for (int layer = 0; layer < _world.Layers; layer++)
        {
            Exchange(layer);
        }
    }

    public void Dispose()
    {
        Balancer.Dispose();
        _slot.Dispose();
        _memory.Dispose();
        _team.Dispose();
    }

    private Action Prepare(IReadOnlyList<SlotMap?> slots)
    {
        _world.Preparing(Rank);
        int[][] table = TableOf(slots);
        lock (Tables)
        {
            Tables.Add(new WeakReference(table));
        }

        return () => _table = table;
    }

    private int[][] TableOf(IReadOnlyList<SlotMap?> slots) => [.. slots.Select(map => map!.ExpertsOf(Rank))];

    private void Exchange(int layer)
    {
        int k = _world.ExpertsPerToken;
        int tokens = _world.IsIdle(Rank) ? 0 : _random.Next(_world.MaxTokens + 1);
        Routing routing = new(_experts, _weights, tokens, k);
        TensorView hidden = _hidden.SliceRows(0, tokens);
        for (int token = 0; token < tokens; token++)
        {
            for (int i = 0; i < Columns; i++)
            {
                hidden.RowF32(token)[i] = IsWhole ? 4 * _random.Next(-8, 9) : _random.NextSingle() - 0.5f;
            }

            Route(routing, token);
        }

        _exchange.BeginDispatch(_slot, layer, hidden, routing);
        ExpertRows rows = _exchange.FinishDispatch(_slot, out TensorView input);
        Computed += rows.Count;
        Assert.Equal(_table[layer].Length + 1, rows.Offsets.Length);
        for (int i = 0; i < _table[layer].Length; i++)
        {
            for (int row = rows.Offsets[i]; row < rows.Offsets[i + 1]; row++)
            {
                PlainLoop.Expert(_table[layer][i], input.RowF32(rows.Sources[row])).CopyTo(_outputs.RowF32(row));
            }
        }

        _exchange.BeginCombine(_slot, _outputs.SliceRows(0, rows.Count));
        TensorView result = _result.SliceRows(0, tokens);
        _exchange.FinishCombine(_slot, result);
        for (int token = 0; token < tokens; token++)
        {
            Assert.Equal(Bits(Expected(routing, token, hidden.RowF32(token))), Bits(result.RowF32(token)));
        }
    }

    /// <summary>A quarter of the experts, which move on every fifty steps, is chosen more often than the others.</summary>
    private void Route(in Routing routing, int token)
    {
        int experts = _world.Shape.Experts;
        int hot = Math.Max(1, experts / 4);
        int first = Steps / 50 * hot;
        HashSet<int> chosen = [];
        while (chosen.Count < routing.ExpertsPerToken)
        {
            chosen.Add(_random.Next(3) > 0 ? (first + _random.Next(hot + 1)) % experts : _random.Next(experts));
        }

        int i = 0;
        foreach (int expert in chosen)
        {
            bool isNone = _random.Next(10) == 0;
            routing.Experts(token)[i] = isNone ? -1 : expert;
            routing.Weights(token)[i++] = IsWhole ? _random.Next(1, 5) : _random.NextSingle();
            Chosen += isNone ? 0 : 1;
        }
    }

    private static float[] Expected(in Routing routing, int token, Span<float> row)
    {
        int[] experts = routing.Experts(token).ToArray();
        float[] weights = routing.Weights(token).ToArray();
        float[] sum = new float[Columns];
        foreach (int i in Enumerable.Range(0, experts.Length).Where(i => experts[i] >= 0).OrderBy(i => experts[i]))
        {
            float[] output = PlainLoop.Expert(experts[i], row);
            for (int column = 0; column < Columns; column++)
            {
                sum[column] = MathF.FusedMultiplyAdd(weights[i], output[column], sum[column]);
            }
        }

        return sum;
    }

    private static uint[] Bits(Span<float> row) => Array.ConvertAll(row.ToArray(), BitConverter.SingleToUInt32Bits);
}
