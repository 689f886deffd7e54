using System.Diagnostics;
using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>One timed run of a workload and the limits of the machine measured around it.</summary>
/// <param name="Seconds">Time of the run.</param>
/// <param name="Tokens">Tokens that it computed.</param>
/// <param name="Limits">The mean of the limits before and after.</param>
/// <param name="Operators">What the operators did.</param>
public sealed record WorkloadSample(double Seconds, int Tokens, MachineLimits Limits, IReadOnlyDictionary<string, OperatorTotals> Operators)
{
    /// <summary>All operators together.</summary>
    public OperatorTotals Total { get; } = Operators.Values.Aggregate(default(OperatorTotals), static (sum, one) => sum + one);

    /// <summary>Tokens per second.</summary>
    public double Rate => Tokens / Seconds;

    /// <summary>Bytes of weights and cache read in a second, as a share of the machine's bandwidth.</summary>
    public double BandwidthShare => Total.Bytes / Seconds / Limits.Bandwidth;

    /// <summary>Operations in a second, as a share of the machine's peak.</summary>
    public double PeakShare => Total.Flops / Seconds / Limits.Peak;

    /// <summary>Σ over operators of what each needs at least, as a share of the time.</summary>
    public double RooflineShare => Total.Roofline / Seconds;
}

/// <summary>
/// Measures a model's steps: prompts of random tokens in chunks, and single steps of a batch over a cache filled with random latents, its sequences divided over the ranks that have tokens. Runs are
/// paired with measurements of the machine's limits, and everything is repeated; callers report medians.
/// </summary>
public sealed class ModelBenchmark : IDisposable
{
    private readonly OperatorMeter _meter = new();
    private readonly MachineProbe _probe;
    private readonly WorkerTeam _team;
    private readonly DeepSeekModel _model;
    private readonly ForwardBatch[] _batches;
    private readonly int _blocks;
    private readonly int _decodeSteps;
    private readonly Random _random = new(1);

    /// <summary>Composes the model with metered operators.</summary>
    /// <param name="checkpoint">The weights.</param>
    /// <param name="kernels">The instruction set.</param>
    /// <param name="team">Who computes.</param>
    /// <param name="workloads">What will be run: decides the size of the cache.</param>
    /// <param name="decodeSteps">Steps of a decode run.</param>
    /// <param name="tokensPerStep">Most tokens of a step.</param>
    /// <param name="divide">Adds this rank's part of the model to its options.</param>
    /// <exception cref="UserErrorException">A workload is longer than the model's context, or its cache is larger than the machine's memory.</exception>
    public ModelBenchmark(
        Checkpoint checkpoint,
        KernelSet kernels,
        WorkerTeam team,
        IReadOnlyList<Workload> workloads,
        int decodeSteps,
        int tokensPerStep,
        Func<ModelOptions, ModelOptions> divide)
    {
        _decodeSteps = decodeSteps;
        foreach (Workload workload in workloads)
        {
            if (Length(workload) > checkpoint.Config.MaxPositions)
            {
                string steps = workload.Phase == WorkloadPhase.Decode ? $" and {decodeSteps} steps" : "";
                throw new UserErrorException(
                    $"{workload.PhaseName} at {workload.Context} tokens{steps} does not fit the model's context of {checkpoint.Config.MaxPositions} (max_position_embeddings)");
            }
        }

        _blocks = workloads.Max(workload => workload.Batch * LatentCache.BlocksFor((int)Length(workload)));
        ModelOptions options = new() { CacheBlocks = _blocks, MaxTokensPerStep = tokensPerStep };
        double bytes = (double)_blocks * LatentPages.TokensPerBlock * LatentCache.BytesPerToken(checkpoint.Config, options.CacheFormat);
        if (bytes > MachineMemory.Limit)
        {
            throw new UserErrorException(
                $"the longest workload needs a cache of {bytes / 1e9:F1} GB, more than the {MachineMemory.Limit / 1e9:F1} GB that this process may use; choose fewer sequences (--batch) or tokens (--decode, --prefill)");
        }

        _team = team;
        _probe = new MachineProbe(kernels);
        _model = new DeepSeekModel(checkpoint, MeteredKernels.Wrap(kernels, _meter), team, divide(options));
        int sequences = workloads.Max(workload => workload.Batch);
        _batches = [.. Enumerable.Range(0, _model.DataRanks).Select(_ => new ForwardBatch(_model.Options.MaxTokensPerStep, sequences, _blocks))];
        if (workloads.All(workload => workload.Phase == WorkloadPhase.Prefill))
        {
            // A prompt writes what it reads.
            return;
        }

        if (_model.Options.Experts is null)
        {
            FillCache(kernels.Codec);
        }
        else
        {
            FillCaches(sequences);
        }
    }

    /// <summary>What the machine can do at most with a team, now.</summary>
    public MachineLimits Limits(WorkerTeam team) => _probe.Measure(team);

    /// <summary>Runs a workload once.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled; looked at before each step.</exception>
    public WorkloadSample Run(Workload workload, CancellationToken cancellation)
    {
        MachineLimits before = _probe.Measure(_team);
        _meter.Clear();
        long start = Stopwatch.GetTimestamp();
        int tokens = workload.Phase == WorkloadPhase.Prefill ? Prefill(workload.Context, cancellation) : Decode(workload.Context, workload.Batch, cancellation);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        MachineLimits limits = MachineLimits.Mean(before, _probe.Measure(_team));
        return new WorkloadSample(seconds, tokens, limits, _meter.Totals(limits));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Array.ForEach(_batches, batch => batch.Dispose());
        _model.Dispose();
        _probe.Dispose();
    }

    /// <summary>Every block is written, with the same random latents: memory that was never written is one page of zeros.</summary>
    private unsafe void FillCache(Codec codec)
    {
        float[] latents = new float[LatentPages.TokensPerBlock * (_model.Config.LatentDim + _model.Config.RopeDim)];
        foreach (ref float latent in latents.AsSpan())
        {
            latent = (_random.NextSingle() * 2) - 1;
        }

        for (int layer = 0; layer < _model.Config.Layers; layer++)
        {
            for (int block = 0; block < _blocks; block++)
            {
                codec.Encode(latents, _model.Cache.Format, _model.Cache.Pages(layer).Block(block).Data);
            }
        }
    }

    /// <summary>The same on all ranks that have tokens: latents of random tokens, copied to every block.</summary>
    /// <param name="copies">Most copies of a step.</param>
    private void FillCaches(int copies)
    {
        int[] tokens = Tokens(LatentPages.TokensPerBlock);
        Array.ForEach(_batches, batch => batch.Clear());
        Array.ForEach(_batches, batch => batch.Add(tokens, 0, AttentionForm.Expanded, [0], 0));
        _model.Forward(_batches);
        for (int block = 1; block < _blocks; block += copies)
        {
            Array.ForEach(_batches, batch => batch.Clear());
            for (int to = block; to < Math.Min(_blocks, block + copies); to++)
            {
                Array.ForEach(_batches, batch => batch.Copy(new BlockCopy(0, to)));
            }

            _model.Forward(_batches);
        }
    }

    /// <summary>Tokens of each of a workload's sequences at its end.</summary>
    private long Length(Workload workload) => workload.Phase == WorkloadPhase.Prefill ? workload.Context : (long)workload.Context + _decodeSteps;

    private int Prefill(int prompt, CancellationToken cancellation)
    {
        ForwardBatch batch = _batches[0];
        int[] table = [.. Enumerable.Range(0, _blocks)];
        int[] tokens = Tokens(prompt);
        for (int position = 0; position < prompt;)
        {
            cancellation.ThrowIfCancellationRequested();
            int chunk = Math.Min(prompt - position, batch.MaxTokens);
            batch.Clear();
            batch.Add(tokens.AsSpan(position, chunk), position, AttentionForm.Expanded, table, position + chunk == prompt ? 1 : 0);
            _model.Forward(batch);
            position += chunk;
        }

        return prompt;
    }

    private int Decode(int context, int batch, CancellationToken cancellation)
    {
        int perSequence = LatentCache.BlocksFor(context + _decodeSteps);
        int[][] tables = [.. Enumerable.Range(0, batch).Select(sequence => Enumerable.Range(sequence * perSequence, perSequence).ToArray())];
        for (int step = 0; step < _decodeSteps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            Array.ForEach(_batches, one => one.Clear());
            for (int sequence = 0; sequence < batch; sequence++)
            {
                _batches[sequence % _batches.Length].Add(Tokens(1), context + step, AttentionForm.Absorbed, tables[sequence], 1);
            }

            _model.Forward(_batches);
        }

        return _decodeSteps * batch;
    }

    private int[] Tokens(int count)
    {
        int[] tokens = new int[count];
        foreach (ref int token in tokens.AsSpan())
        {
            token = _random.Next(_model.Config.VocabularySize);
        }

        return tokens;
    }
}
