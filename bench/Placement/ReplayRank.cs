using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Bench.Placements;

/// <summary>One rank with a model of its own (and a mapping of its own, as in a process), which reads texts token by token as if it generated them, some at a time.</summary>
internal sealed class ReplayRank : IForwardObserver, IDisposable
{
    private const int MostTokens = 1024;
    private static readonly int BlocksOfText = LatentCache.BlocksFor(MostTokens);

    private readonly Checkpoint _checkpoint;
    private readonly WorkerTeam _team = new(1);
    private readonly CountingExchange _exchange;
    private readonly DeepSeekModel _model;
    private readonly ForwardBatch _batch;
    private readonly Random _random;
    private readonly Lane[] _lanes;

    public ReplayRank(string directory, ITransport transport, Topology topology, ExpertPlacement start, int texts, BalancerOptions? balancing)
    {
        _checkpoint = Checkpoint.Open(directory);
        ModelConfig config = _checkpoint.Config;
        SlotMap?[] slots = SlotMap.ByLayer(start, config.IsMoeLayer);
        RankedExchange ranked = new(transport, topology, slots, ExchangeOptions.Exact, config.HiddenSize, config.ExpertsPerToken, KernelSet.Best, _team);
        _exchange = new CountingExchange(ranked, config.Layers);
        _model = new DeepSeekModel(_checkpoint, KernelSet.Best, _team, new ModelOptions
        {
            CacheBlocks = texts * BlocksOfText,
            MaxTokensPerStep = texts,
            Experts = new ExpertPartition(_exchange, layer => slots[layer]!.ExpertsOf(transport.Rank)),
        });
        Balancer = balancing is null ? null : new Balancer(ranked, _model, start, balancing, Console.Error.WriteLine);
        _batch = new ForwardBatch(texts, texts, texts * BlocksOfText);
        _random = new Random(transport.Rank);
        _lanes = [.. Enumerable.Range(0, texts).Select(lane => new Lane([.. Enumerable.Range(lane * BlocksOfText, BlocksOfText)]))];
        Chosen = [.. config.IsMoeLayer.Select(isMoe => new long[isMoe ? config.RoutedExperts : 0])];
    }

    public Balancer? Balancer { get; }

    /// <summary>How often this rank's tokens chose each expert, by layer, since the last window.</summary>
    public long[][] Chosen { get; }

    /// <summary>Rows that this rank's experts got, by layer, since the last window.</summary>
    public long[] Rows => _exchange.Rows;

    /// <summary>All texts that are being read end here.</summary>
    public void DropTexts() => Array.ForEach(_lanes, lane => lane.Text = []);

    public void Step(IReadOnlyList<int[]> texts)
    {
        _batch.Clear();
        foreach (Lane lane in _lanes)
        {
            if (lane.Position >= Math.Min(lane.Text.Length, MostTokens))
            {
                int[] text = texts[_random.Next(texts.Count)];

                // The first texts end anywhere, so that not all lanes are at the same place of theirs.
                lane.Text = lane.Text.Length == 0 ? text[..(_random.Next(text.Length) + 1)] : text;
                lane.Position = 0;
            }

            _batch.Add(lane.Text.AsSpan(lane.Position, 1), lane.Position, AttentionForm.Absorbed, lane.Blocks, 1);
            lane.Position++;
        }

        _model.Forward(_batch, this);
    }

    public void Dispose()
    {
        Balancer?.Dispose();
        _batch.Dispose();
        _model.Dispose();
        _team.Dispose();
        _checkpoint.Dispose();
    }

    void IForwardObserver.Embedding(TensorView hidden)
    {
    }

    void IForwardObserver.LayerOutput(int layer, TensorView hidden)
    {
    }

    void IForwardObserver.Routed(int layer, in Routing routing)
    {
        for (int token = 0; token < routing.Tokens; token++)
        {
            foreach (int expert in routing.Experts(token))
            {
                Chosen[layer][expert]++;
            }
        }
    }

    private sealed class Lane(int[] blocks)
    {
        public int[] Blocks => blocks;

        public int[] Text { get; set; } = [];

        public int Position { get; set; }
    }
}
