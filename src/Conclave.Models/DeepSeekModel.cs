using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>How a model is set up for running.</summary>
public sealed record ModelOptions
{
    /// <summary>Most tokens of a step where nothing else was said.</summary>
    public const int DefaultTokensPerStep = 512;

    /// <summary>Most tokens of a step.</summary>
    public int MaxTokensPerStep { get; init; } = DefaultTokensPerStep;

    /// <summary>Blocks of 64 tokens in the cache, for all sequences together.</summary>
    public required int CacheBlocks { get; init; }

    /// <summary>How the cache stores elements: F32 or BF16.</summary>
    public ElementFormat CacheFormat { get; init; } = ElementFormat.F32;

    /// <summary>
    /// Whether chosen experts are read from the disk as soon as a layer is routed: for models larger than memory. Where all weights are in memory it costs
    /// some system calls for nothing.
    /// </summary>
    public bool ReadAhead { get; init; }

    /// <summary>Whether to load the multi-token prediction layer, if the checkpoint has one.</summary>
    public bool WithMtp { get; init; }

    /// <summary>The rank's part of the experts; null where this is the only rank.</summary>
    public ExpertPartition? Experts { get; init; }

    /// <summary>The rank's part of what its group computes together; null where no other rank has the same tokens.</summary>
    public AttentionPartition? Attention { get; init; }
}

/// <summary>
/// A DeepSeek-family model, composed by its configuration: embedding, decoder layers (latent attention, then a dense MLP or a mixture of experts), final
/// norm, head; optionally the first multi-token prediction layer. Matrices are read where the checkpoint is mapped. One thread at a time may run steps.
/// </summary>
public sealed class DeepSeekModel : IDisposable
{
    private readonly WeightSource _weights;
    private readonly KernelSet _kernels;
    private readonly WorkerTeam _team;
    private readonly Workspace _workspace;
    private readonly IExpertExchange? _exchange;
    private readonly ExchangeSlot[] _slots = [];
    private readonly MicroBatches? _microBatches;
    private readonly ExpertReader? _reader;
    private readonly RotaryEmbedding _rotary;
    private readonly TensorView _embedding;
    private readonly TensorView _finalNorm;
    private readonly TensorView _head;
    private readonly DecoderLayer[] _layers;
    private readonly MultiTokenPredictor? _predictor;
    private readonly Checkpoint _checkpoint;
    private readonly LatentCache _cache;
    private readonly NativeBuffer _hiddenBuffer;
    private readonly TensorView _hidden;
    private readonly NativeBuffer _wantedBuffer;
    private readonly TensorView _wanted;
    private NativeBuffer? _logitsBuffer;

    /// <summary>Composes the model over an open checkpoint, which must stay open as long as the model is used.</summary>
    /// <param name="checkpoint">The weights.</param>
    /// <param name="kernels">The operators.</param>
    /// <param name="team">Who computes.</param>
    /// <param name="options">Sizes.</param>
    /// <exception cref="UserErrorException">Tensors are missing, misshapen or of another model (listed together), or the ranks of the group do not divide the heads.</exception>
    public DeepSeekModel(Checkpoint checkpoint, KernelSet kernels, WorkerTeam team, ModelOptions options)
    {
        Config = checkpoint.Config;
        _checkpoint = checkpoint;
        Options = options;
        _kernels = kernels;
        _team = team;
        _weights = new WeightSource(checkpoint, kernels.Codec);
        _rotary = new RotaryEmbedding(Config);
        bool withMtp = options.WithMtp && Config.MtpLayers > 0;
        int layers = Config.Layers + (withMtp ? 1 : 0);

        try
        {
            RankGroup group = new(Config, options.Attention);
            Router? router = null;
            ExpertPartition? partition = null;
            if (Config.RoutedExperts > 0)
            {
                router = new Router(Config);
                partition = options.Experts ?? Whole(Config, kernels, team);
                _exchange = partition.Exchange;
                _slots = [.. SlotTokens(options, partition.DivideFrom).Select(tokens => _exchange.CreateSlot(group.MostTokens(tokens)))];
                _microBatches = partition.DivideFrom is null ? null : new MicroBatches(options.MaxTokensPerStep);
                _reader = options.ReadAhead ? new ExpertReader(Config.RoutedExperts) : null;
            }

            _embedding = _weights.Matrix("model.embed_tokens.weight", Config.VocabularySize, Config.HiddenSize);
            _finalNorm = _weights.Vector("model.norm.weight", Config.HiddenSize);
            _head = Config.TieWordEmbeddings && !_weights.Has("lm_head.weight")
                ? _embedding
                : _weights.Matrix("lm_head.weight", Config.VocabularySize, Config.HiddenSize);

            DecoderLayer Layer(int index)
            {
                string prefix = $"model.layers.{index}";
                MultiHeadLatentAttention attention = new(_weights, Config, $"{prefix}.self_attn", index, _rotary.AttentionScale, group);
                bool isMoe = index < Config.Layers ? Config.IsMoeLayer[index] : Config.RoutedExperts > 0;
                FeedForward feedForward = isMoe
                    ? new MoeLayer(_weights, Config, $"{prefix}.mlp", index, router!, _exchange!, _slots, _reader)
                    : new DenseMlp(_weights, Config, $"{prefix}.mlp");
                return new DecoderLayer(_weights, Config, prefix, attention, feedForward, group);
            }

            _layers = [.. Enumerable.Range(0, Config.Layers).Select(Layer)];
            if (withMtp)
            {
                _predictor = new MultiTokenPredictor(
                    _weights, Config, $"model.layers.{Config.Layers}", Layer(Config.Layers), _embedding, _head);
            }

            Experts = ExpertTable.Map(_weights, Config, layers, partition?.ExpertsOfLayer ?? (_ => []));
            _weights.RefuseUnread(Config);
            _weights.ThrowIfIncomplete();
            _workspace = new Workspace(Config, group.Heads, options.MaxTokensPerStep, _slots.Select(slot => slot.MaxRows), withMtp);
            _cache = new LatentCache(layers, Config.LatentDim + Config.RopeDim, options.CacheFormat, options.CacheBlocks);
            _hiddenBuffer = NativeBuffer.ForF32(options.MaxTokensPerStep, Config.HiddenSize, out _hidden);
            _wantedBuffer = NativeBuffer.ForF32(DataRanks > 1 ? (nint)DataRanks * options.MaxTokensPerStep : 0, Config.HiddenSize, out _wanted);
        }
        catch
        {
            Free();
            throw;
        }
    }

    /// <summary>The model's shape.</summary>
    public ModelConfig Config { get; }

    /// <summary>How it was set up.</summary>
    public ModelOptions Options { get; }

    /// <summary>The latents of all positions.</summary>
    public LatentCache Cache => _cache;

    /// <summary>The routed experts whose weights are here, by the slots of the exchange.</summary>
    public ExpertTable Experts { get; private set; }

    /// <summary>Ranks that have tokens, or groups of them (<see cref="ExpertPartition"/>), each with a cache of its own: as many batches has a step.</summary>
    public int DataRanks => Options.Experts?.DataRanks ?? 1;

    /// <summary>True where the multi-token prediction layer is loaded.</summary>
    public bool HasMtp => _predictor is not null;

    /// <summary>Maps other experts than those in use. Any thread may, while steps go on.</summary>
    /// <param name="expertsOfLayer">As in <see cref="ExpertPartition"/>; as many of a layer as the exchange will give it slots.</param>
    /// <exception cref="UserErrorException">The checkpoint lacks tensors of these, or they are misshapen.</exception>
    public ExpertTable MapExperts(Func<int, IReadOnlyList<int>> expertsOfLayer)
    {
        using WeightSource weights = new(_checkpoint, _kernels.Codec);
        ExpertTable table = ExpertTable.Map(weights, Config, Config.Layers + (HasMtp ? 1 : 0), expertsOfLayer);
        weights.ThrowIfIncomplete();
        return table;
    }

    /// <summary>Uses other experts from the next step on; between steps, together with the exchange's change to their placement.</summary>
    public void UseExperts(ExpertTable experts) => Experts = experts;

    /// <summary>
    /// Computes a step: writes the latents of the batch's tokens to the cache and returns the logits [batch.LogitCount, V], valid until the next step.
    /// </summary>
    /// <param name="batch">
    /// Ids below the vocabulary's size; at least one, unless this is one of many ranks, which step together: others' tokens need the experts here.
    /// </param>
    /// <param name="observer">Who looks at intermediate tensors, if anybody.</param>
    /// <exception cref="ArgumentException">The batch is empty and this is the only rank, or it is larger than a step, or holds an id outside the vocabulary.</exception>
    public TensorView Forward(ForwardBatch batch, IForwardObserver? observer = null)
    {
        Compute(new ReadOnlySpan<ForwardBatch>(in batch), observer, batch.Count);
        return Logits(batch, _hidden, _head);
    }

    /// <summary>Computes a step of all ranks that have tokens; the logits are those of all batches, in their order.</summary>
    /// <param name="batches">This rank's, as above, then those of the next ranks or groups, each for their cache; at most <see cref="DataRanks"/>, and the ranks that have none step with an empty one.</param>
    /// <param name="observer">Who looks at intermediate tensors of this rank, if anybody.</param>
    /// <exception cref="ArgumentException">As above, or there are more batches than ranks that have tokens.</exception>
    public TensorView Forward(ReadOnlySpan<ForwardBatch> batches, IForwardObserver? observer = null)
    {
        if (batches.IsEmpty || batches.Length > DataRanks)
        {
            throw new ArgumentException($"{batches.Length} batches; 1 to {DataRanks} are expected", nameof(batches));
        }

        int tokens = 0;
        int rows = 0;
        foreach (ForwardBatch batch in batches)
        {
            tokens += batch.Count;
            rows += batch.LogitCount;
        }

        Compute(batches, observer, tokens);
        ReadOnlySpan<int> own = batches[0].LogitRows;
        if (rows == own.Length)
        {
            return Logits(batches[0], _hidden, _head);
        }

        TensorView wanted = _wanted.SliceRows(0, rows);
        Gather(_hidden, own, wanted);
        Options.Experts!.ReceiveHidden!(wanted.SliceRows(own.Length, rows - own.Length));
        TensorView logits = LogitsView(rows);
        _kernels.MatMul.Run(_head, wanted, logits, _team);
        return logits;
    }

    /// <summary>Computes a step that another rank has begun, up to the final norm: see <see cref="Hidden"/>.</summary>
    /// <param name="batch">This rank's tokens, if any.</param>
    /// <param name="tokensOfAll">Tokens of the step on all ranks.</param>
    /// <exception cref="ArgumentException">The batch is larger than a step, or holds an id outside the vocabulary.</exception>
    public void ForwardHidden(ForwardBatch batch, int tokensOfAll) => Compute(new ReadOnlySpan<ForwardBatch>(in batch), null, tokensOfAll);

    /// <summary>The hidden states after the final norm [T, H] of the last step's rows; overwritten by the next step.</summary>
    /// <param name="tokens">Rows of that step.</param>
    public TensorView Hidden(int tokens) => _hidden.SliceRows(0, tokens);

    /// <summary>
    /// Computes the multi-token prediction layer: from the main model's hidden states at positions i and the tokens at i + 1, the logits of the tokens at
    /// i + 2, [batch.LogitCount, V], valid until the next step.
    /// </summary>
    /// <param name="batch">Holds token i + 1 at position i.</param>
    /// <param name="previous">[T, H] F32: hidden states after the final norm; must not be the view of <see cref="Hidden"/>'s own step if rows differ.</param>
    /// <exception cref="InvalidOperationException">The layer was not loaded.</exception>
    public TensorView ForwardMtp(ForwardBatch batch, TensorView previous)
    {
        if (_predictor is null)
        {
            throw new InvalidOperationException("the multi-token prediction layer was not loaded");
        }

        Step step = Begin(batch, _predictor.Embedding, null);
        TensorView output = step.Rows(_workspace.Sublayer);
        _predictor.Forward(step, previous, output);
        return Logits(batch, output, _predictor.Head);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Options.Experts?.EndSteps?.Invoke();
        Free();
    }

    // A constructor that failed has not made all of it.
    private void Free()
    {
        _reader?.Dispose();
        _logitsBuffer?.Dispose();
        _wantedBuffer?.Dispose();
        _hiddenBuffer?.Dispose();
        _cache?.Dispose();
        _microBatches?.Dispose();
        Array.ForEach(_slots, slot => slot.Dispose());
        _workspace?.Dispose();
        _weights.Dispose();
    }

    private static ExpertPartition Whole(ModelConfig config, KernelSet kernels, WorkerTeam team)
    {
        int[] all = [.. Enumerable.Range(0, config.RoutedExperts)];
        return new ExpertPartition(new LocalExchange(config.RoutedExperts, config.ExpertsPerToken, kernels, team), _ => all);
    }

    private void Compute(ReadOnlySpan<ForwardBatch> batches, IForwardObserver? observer, int tokensOfAll)
    {
        ForwardBatch batch = batches[0];
        Step step = Begin(batch, _embedding, observer);
        if (Options.Experts?.BeginStep is { } begin)
        {
            begin(this, batches);
            step = step with { Experts = Experts };
        }

        foreach (ref readonly BlockCopy copy in batch.Copies)
        {
            _cache.CopyBlock(copy.From, copy.To);
        }

        TensorView residual = step.Rows(_workspace.Residual);
        observer?.Embedding(residual);
        if (_microBatches is not null && tokensOfAll >= Options.Experts!.DivideFrom)
        {
            RunDivided(step, _microBatches);
        }
        else
        {
            for (int layer = 0; layer < _layers.Length; layer++)
            {
                _layers[layer].Forward(step);
                observer?.LayerOutput(layer, residual);
            }
        }

        _kernels.RmsNorm.Run(residual, _finalNorm, (float)Config.NormEpsilon, _hidden.SliceRows(0, step.Tokens), _team);
    }

    private Step Begin(ForwardBatch batch, TensorView embedding, IForwardObserver? observer)
    {
        int fewest = Options.Experts is null ? 1 : 0;
        if (batch.Count < fewest || batch.Count > _workspace.MaxTokens)
        {
            throw new ArgumentException($"a step has {fewest} to {_workspace.MaxTokens} tokens, not {batch.Count}", nameof(batch));
        }

        Step step = new(batch, _kernels, _team, _workspace, Experts, _cache, observer);
        TensorView residual = step.Rows(_workspace.Residual);
        ReadOnlySpan<int> tokens = batch.Tokens;
        for (int row = 0; row < tokens.Length; row++)
        {
            if ((uint)tokens[row] >= (uint)Config.VocabularySize)
            {
                throw new ArgumentException($"token id {tokens[row]} is outside the vocabulary of {Config.VocabularySize}", nameof(batch));
            }

            _kernels.Codec.Decode(embedding, tokens[row], residual.RowF32(row));
        }

        _rotary.Fill(batch.Positions, step.Rows(_workspace.Cos), step.Rows(_workspace.Sin));
        return step;
    }

    /// <summary>The largest micro-batch of each slot: both halves, and in the first one also the steps that are not divided.</summary>
    private static int[] SlotTokens(ModelOptions options, int? divideFrom)
    {
        if (divideFrom is not { } from)
        {
            return [options.MaxTokensPerStep];
        }

        int half = MicroBatches.MostTokens(options.MaxTokensPerStep);
        int whole = options.WithMtp ? options.MaxTokensPerStep : Math.Min(options.MaxTokensPerStep, from - 1);
        return [Math.Max(half, whole), half];
    }

    private void RunDivided(in Step whole, MicroBatches microBatches)
    {
        microBatches.Divide(whole, _exchange!, out Step first, out Step second);
        int open = -1;
        for (int layer = 0; layer < _layers.Length; layer++)
        {
            if (!_layers[layer].HasExperts)
            {
                End(open, second);
                open = -1;
                _layers[layer].Forward(whole);
                whole.Observer?.LayerOutput(layer, whole.Rows(_workspace.Residual));
                continue;
            }

            _layers[layer].Begin(first);
            End(open, second);
            _layers[layer].Begin(second);
            _layers[layer].Compute(first);
            _layers[layer].Compute(second);
            End(layer, first);
            open = layer;
        }

        End(open, second);
    }

    /// <summary>Ends a layer that a micro-batch has begun, if any.</summary>
    private void End(int layer, in Step step)
    {
        if (layer >= 0)
        {
            _layers[layer].End(step);
            step.Observer?.LayerOutput(layer, step.Rows(_workspace.Residual));
        }
    }

    private TensorView Logits(ForwardBatch batch, TensorView hidden, TensorView head)
    {
        ReadOnlySpan<int> rows = batch.LogitRows;
        TensorView logits = LogitsView(rows.Length);
        if (rows.Length == 0)
        {
            return logits;
        }

        // Rows that follow each other need no copy; others are gathered where the sublayers' input was.
        TensorView selected = hidden.SliceRows(rows[0], rows.Length <= hidden.Rows - rows[0] ? rows.Length : 1);
        if (rows[^1] - rows[0] != rows.Length - 1)
        {
            selected = _workspace.Normalized.SliceRows(0, rows.Length);
            Gather(hidden, rows, selected);
        }

        _kernels.MatMul.Run(head, selected, logits, _team);
        return logits;
    }

    private static void Gather(TensorView hidden, ReadOnlySpan<int> rows, TensorView selected)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            hidden.RowF32(rows[i]).CopyTo(selected.RowF32(i));
        }
    }

    private unsafe TensorView LogitsView(int rows)
    {
        nint bytes = checked((nint)rows * Config.VocabularySize * sizeof(float));
        if (_logitsBuffer is null || _logitsBuffer.Length < bytes)
        {
            _logitsBuffer?.Dispose();
            _logitsBuffer = new NativeBuffer(bytes);
        }

        return new TensorView(_logitsBuffer.Data, ElementFormat.F32, rows, Config.VocabularySize);
    }
}
