using System.Collections.Concurrent;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;
using Conclave.Transport;
using Conclave.Transport.InProcess;
using Conclave.Transport.Tests;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>Runs all ranks of a world, a thread for each, and fails with the failures of all of them, the first one first.</summary>
internal static class InProcessWorld
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public static void Run(Topology topology, TransportOptions options, int seed, Action<ITransport> rank, TimeSpan? patience = null)
    {
        InProcessFabric fabric = new(topology, options, seed);
        Run([.. Enumerable.Range(0, topology.World).Select(number => fabric[number])], rank, fabric.Dispose, patience);
    }

    /// <summary>Runs all ranks over UCX.</summary>
    public static void RunOverUcx(Topology topology, TransportOptions options, Action<ITransport> rank)
    {
        using UcxWorld world = new(topology, options);
        Run(world.Ranks, rank);
    }

    /// <summary>Runs all ranks over other transports than those of a fabric.</summary>
    /// <param name="transports">One for each rank.</param>
    /// <param name="rank">What a rank does.</param>
    /// <param name="ended">Called when no rank runs any more: until then they use what it frees.</param>
    /// <param name="patience">After so long the world hangs; null: some minutes.</param>
    public static void Run(ITransport[] transports, Action<ITransport> rank, Action? ended = null, TimeSpan? patience = null)
    {
        ConcurrentQueue<Exception> failures = [];
        using CancellationTokenSource over = new();
        Thread[] threads = [.. transports.Select(transport => new Thread(() =>
        {
            try
            {
                rank(new RecallableTransport(transport, over.Token));
            }
            catch (Exception e)
            {
                failures.Enqueue(e);
            }
            finally
            {
                transport.Dispose();
            }
        }))];
        foreach (Thread thread in threads)
        {
            thread.IsBackground = true;
            thread.Start();
        }

        // Also the caller's memory, such as a mapped checkpoint, goes when this returns. So ranks that are late are called back from their waiting first.
        bool isInTime = threads.All(thread => thread.Join(patience ?? Patience));
        over.Cancel();
        Assert.True(isInTime || threads.All(thread => thread.Join(Patience)), $"the world of {transports.Length} ranks hangs, and not in its transports");
        ended?.Invoke();
        if (!isInTime)
        {
            throw new TimeoutException($"the world of {transports.Length} ranks hangs", new AggregateException(failures));
        }

        if (!failures.IsEmpty)
        {
            throw new AggregateException(failures);
        }
    }

    /// <summary>Runs the exchanges of a case.</summary>
    /// <param name="world">The case.</param>
    /// <param name="seed">The order in which messages are reported.</param>
    /// <param name="finished">Is handed each rank's exchange at the end, on its thread.</param>
    /// <param name="wrap">Puts something between a rank and its transport.</param>
    /// <param name="expectRows">Whether the experts must get the rows that were sent.</param>
    /// <returns>Combined rows by exchange, rank and token.</returns>
    public static float[][][][] Run(ExchangeCase world, int seed, Action<ITransport, RankedExchange>? finished = null, Func<ITransport, ITransport>? wrap = null, bool expectRows = true)
    {
        float[][][][] results = Results(world);
        Run(world.Topology, world.Transport, seed, transport => RunRank(world, wrap?.Invoke(transport) ?? transport, results, finished, expectRows));
        return results;
    }

    /// <summary>Runs the exchanges of a case over UCX.</summary>
    /// <returns>Combined rows by exchange, rank and token.</returns>
    public static float[][][][] RunOverUcx(ExchangeCase world)
    {
        float[][][][] results = Results(world);
        RunOverUcx(world.Topology, world.Transport, transport => RunRank(world, transport, results));
        return results;
    }

    /// <summary>Where the ranks of a case put their combined rows, by exchange and rank.</summary>
    public static float[][][][] Results(ExchangeCase world) => [.. world.Exchanges.Select(ranks => new float[ranks.Length][][])];

    /// <summary>Runs one rank's part in the exchanges of a case.</summary>
    public static void RunRank(ExchangeCase world, ITransport transport, float[][][][] results, Action<ITransport, RankedExchange>? finished = null, bool expectRows = true)
    {
        using WorkerTeam team = new(1);
        RankedExchange exchange = new(transport, world.Topology, world.SlotsByLayer, world.Options, world.Columns, world.ExpertsPerToken, KernelSet.Best, team);
        MicroBatch[] batches = [.. Enumerable.Range(0, world.Slots).Select(_ => new MicroBatch(world, exchange, transport.Rank, expectRows))];
        for (int first = 0; first < world.Exchanges.Length; first += world.Slots)
        {
            int count = Math.Min(world.Slots, world.Exchanges.Length - first);
            foreach (Action<MicroBatch, int> half in new Action<MicroBatch, int>[]
            {
                (batch, step) => batch.BeginDispatch(step),
                (batch, step) => batch.Compute(step),
                (batch, step) => results[step][transport.Rank] = batch.FinishCombine(step),
            })
            {
                for (int i = 0; i < count; i++)
                {
                    half(batches[i], first + i);
                }
            }
        }

        finished?.Invoke(transport, exchange);
        Array.ForEach(batches, batch => batch.Dispose());
    }

    private sealed unsafe class MicroBatch(ExchangeCase world, RankedExchange exchange, int rank, bool expectRows) : IDisposable
    {
        private readonly ExchangeSlot _slot = exchange.CreateSlot(world.MaxTokens);
        private readonly NativeBuffer _experts = new(world.MaxTokens * world.ExpertsPerToken * sizeof(int));
        private readonly NativeBuffer _weights = new(world.MaxTokens * world.ExpertsPerToken * sizeof(float));
        private readonly List<NativeBuffer> _matrices = [];

        public void BeginDispatch(int step)
        {
            RankTokens tokens = world.Exchanges[step][rank];
            TensorView hidden = Matrix(tokens.Rows.Length);
            Routing routing = new((int*)_experts.Data, (float*)_weights.Data, tokens.Rows.Length, world.ExpertsPerToken);
            for (int token = 0; token < tokens.Rows.Length; token++)
            {
                tokens.Rows[token].CopyTo(hidden.RowF32(token));
                tokens.Experts[token].CopyTo(routing.Experts(token));
                tokens.Weights[token].CopyTo(routing.Weights(token));
            }

            exchange.BeginDispatch(_slot, step % world.SlotsByLayer.Length, hidden, routing);
        }

        public void Compute(int step)
        {
            SlotMap map = world.SlotsByLayer[step % world.SlotsByLayer.Length];
            int[] slots = map.SlotsOf(rank).ToArray();
            ExpertRows rows = exchange.FinishDispatch(_slot, out TensorView input);
            Assert.Equal(slots.Length + 1, rows.Offsets.Length);
            Assert.True(rows.Count <= _slot.MaxRows);
            TensorView outputs = Matrix(rows.Count);
            for (int i = 0; i < slots.Length; i++)
            {
                int slot = slots[i];

                // Sorted by source rank and token, however they arrived.
                float[][] expected = [.. world.Exchanges[step].SelectMany(tokens => tokens.Rows.Where((_, token) => tokens.Slots[token].Contains(slot)))];
                Assert.True(!expectRows || expected.Length == rows.Offsets[i + 1] - rows.Offsets[i]);
                for (int row = rows.Offsets[i]; row < rows.Offsets[i + 1]; row++)
                {
                    Span<float> received = input.RowF32(rows.Sources[row]);
                    Assert.True(
                        !expectRows || received.SequenceEqual(PlainLoop.Rounded(expected[row - rows.Offsets[i]], world.Options.Dispatch)));
                    PlainLoop.Expert(map.ExpertOf(slot), received).CopyTo(outputs.RowF32(row));
                }
            }

            exchange.BeginCombine(_slot, outputs);
        }

        public float[][] FinishCombine(int step)
        {
            TensorView result = Matrix(world.Exchanges[step][rank].Rows.Length);
            exchange.FinishCombine(_slot, result);
            return [.. Enumerable.Range(0, (int)result.Rows).Select(row => result.RowF32(row).ToArray())];
        }

        public void Dispose()
        {
            _slot.Dispose();
            _experts.Dispose();
            _weights.Dispose();
            _matrices.ForEach(matrix => matrix.Dispose());
        }

        private TensorView Matrix(int rows)
        {
            _matrices.Add(NativeBuffer.ForF32(rows, world.Columns, out TensorView view));
            return view;
        }
    }
}
