using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;

namespace Conclave.Parallel.Launch;

/// <summary>Reads the messages that begin steps (<see cref="StepWriter"/>), for one of the ranks that are told.</summary>
internal sealed class StepReader : IDisposable
{
    private readonly int _rank;
    private readonly int? _group;
    private readonly int _groups;
    private readonly int _firstTold;
    private readonly int _maxTokens;
    private readonly int _cacheBlocks;
    private readonly int _positions;
    private readonly int _vocabularySize;
    private readonly int[] _tokens;
    private readonly int[] _table;

    /// <summary>Prepares for messages.</summary>
    /// <param name="rank">Which rank this is.</param>
    /// <param name="plan">Which ranks have tokens.</param>
    /// <param name="config">The model.</param>
    /// <param name="order">Sizes of steps and caches.</param>
    public StepReader(int rank, WorldPlan plan, ModelConfig config, ModelOrder order)
    {
        _rank = rank;
        _group = plan.Groups().Of(rank);
        _groups = plan.DataParallel;
        _firstTold = StepWriter.FirstTold(plan.TensorParallel);
        _maxTokens = order.MaxTokens;
        _cacheBlocks = order.CacheBlocks;
        _positions = (int)Math.Min(config.MaxPositions, (long)order.CacheBlocks * LatentPages.TokensPerBlock);
        _vocabularySize = config.VocabularySize;
        _tokens = new int[_group is null ? 0 : order.MaxTokens];
        _table = new int[_group is null ? 0 : LatentCache.BlocksFor(_positions)];

        // A message cannot hold more of them.
        int tables = (int)Math.Min((long)_tokens.Length * _table.Length, ControlFrame.MostBytes(ControlKind.Step) / sizeof(int));
        Batch = new ForwardBatch(order.MaxTokens, order.MaxTokens, tables);
    }

    /// <summary>This rank's part of the step that was read last.</summary>
    public ForwardBatch Batch { get; }

    /// <summary>Tokens of that step, of all groups.</summary>
    public int TokensOfAll { get; private set; }

    /// <summary>Takes a message.</summary>
    /// <exception cref="ControlException">It is none.</exception>
    public void Read(ControlFrame frame)
    {
        ControlReader reader = new(frame.Kind, frame.Body);
        TokensOfAll = reader.Int32("tokens", 0, checked(_maxTokens * _groups));
        Batch.Clear();
        for (int group = _firstTold; group < _groups; group++)
        {
            ReadOnlySpan<byte> bytes = reader.Bytes("a batch", ControlFrame.MostBytes(frame.Kind));
            if (group == _group && !bytes.IsEmpty)
            {
                ControlReader batch = new(frame.Kind, bytes);
                ReadBatch(ref batch);
                batch.End();
            }
        }

        reader.End();
        if (Batch.Count > TokensOfAll)
        {
            throw new ControlException($"sent {frame.Kind} with {Batch.Count} tokens for rank {_rank} and {TokensOfAll} for all");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Batch.Dispose();

    private void ReadBatch(ref ControlReader reader)
    {
        int copies = reader.Int32("copies of blocks", 0, _maxTokens);
        for (int i = 0; i < copies; i++)
        {
            Batch.Copy(new BlockCopy(reader.Int32("a block", 0, _cacheBlocks - 1), reader.Int32("a block", 0, _cacheBlocks - 1)));
        }

        int chunks = reader.Int32("chunks", 0, _maxTokens);
        for (int i = 0; i < chunks; i++)
        {
            int rows = reader.Int32("rows", 1, Math.Min(_maxTokens - Batch.Count, _positions));
            int first = reader.Int32("a first position", 0, _positions - rows);
            AttentionForm form = (AttentionForm)reader.Int32("a form", 0, (int)AttentionForm.Absorbed);
            int logits = reader.Int32("rows that need logits", 0, rows);
            Span<int> tokens = _tokens.AsSpan(0, rows);
            Span<int> table = _table.AsSpan(0, LatentCache.BlocksFor(first + rows));
            reader.Int32s("a token", 0, _vocabularySize - 1, tokens);
            reader.Int32s("a block", 0, _cacheBlocks - 1, table);
            Batch.Add(tokens, first, form, table, logits);
        }
    }
}
