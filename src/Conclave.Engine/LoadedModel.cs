using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;
using Conclave.Text;

namespace Conclave.Engine;

/// <summary>How a model is loaded.</summary>
public sealed record LoadOptions
{
    /// <summary>The operators.</summary>
    public KernelSet Kernels { get; init; } = KernelSet.Best;

    /// <summary>Threads that compute, at least 1.</summary>
    public int Threads { get; init; } = WorkerTeam.DefaultThreads;

    /// <summary>Most tokens of prompt and answer together; null: what the model allows, at most <see cref="DefaultContext"/>.</summary>
    public int? Context { get; init; }

    /// <summary>Bytes of the latent cache, for all requests together; null: enough for <see cref="Contexts"/>, at most a quarter of the process's memory for all <see cref="Caches"/>.</summary>
    public long? CacheMemory { get; init; }

    /// <summary>Requests with a full context that the cache should hold where its memory was not said. One always fits.</summary>
    public int Contexts { get; init; } = 1;

    /// <summary>How the cache stores elements: F32 or BF16.</summary>
    public ElementFormat CacheFormat { get; init; } = ElementFormat.F32;

    /// <summary>Most tokens of a step, of prompts and answers together, at least 1.</summary>
    public int TokensPerStep { get; init; } = ModelOptions.DefaultTokensPerStep;

    /// <summary>Teams of as many threads that share the machine: those of all ranks on it.</summary>
    public int Teams { get; init; } = 1;

    /// <summary>Caches of this size that share the machine's memory: those of all ranks that have tokens.</summary>
    public int Caches { get; init; } = 1;

    /// <summary>A file with the chat template to use; null: the model's own.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Adds this rank's part of the model to its options, where it is computed by many ranks; null: all of it is computed here.</summary>
    public Func<ModelConfig, KernelSet, WorkerTeam, ModelOptions, ModelOptions>? Divide { get; init; }

    /// <summary>Context length where none was asked for and the model allows more.</summary>
    public const int DefaultContext = 8192;

    /// <summary>Checks what does not depend on the model.</summary>
    /// <exception cref="UserErrorException">A value is out of its range.</exception>
    internal void Check()
    {
        ReadOnlySpan<(string Name, int Value)> counts =
            [(nameof(Threads), Threads), (nameof(TokensPerStep), TokensPerStep), (nameof(Teams), Teams), (nameof(Caches), Caches)];
        foreach ((string name, int value) in counts)
        {
            if (value < 1)
            {
                throw new UserErrorException($"LoadOptions.{name}: {value} is out of range; at least 1 is expected");
            }
        }

        if (CacheFormat is not (ElementFormat.F32 or ElementFormat.BF16))
        {
            throw new UserErrorException($"LoadOptions.CacheFormat: the cache holds F32 or BF16, not {CacheFormat}");
        }
    }
}

/// <summary>
/// A model directory, ready to generate: checkpoint, tokenizer, chat template, end tokens and the sampling that the model's authors suggest. It owns the
/// mapped files, the worker team and the model, and frees them in the order in which they depend on each other.
/// </summary>
public sealed class LoadedModel : IDisposable
{
    private readonly Checkpoint _checkpoint;
    private readonly WorkerTeam _team;

    private LoadedModel(Checkpoint checkpoint, WorkerTeam team, DeepSeekModel model, int contextLength, ModelText text)
    {
        ContextLength = contextLength;
        _checkpoint = checkpoint;
        _team = team;
        Model = model;
        Tokenizer = text.Tokenizer;
        Chat = text.Chat;
        GenerationConfig generation = GenerationConfig.Read(checkpoint.Directory);
        EosTokens = [.. generation.EosTokens.Union(checkpoint.Config.EosTokens).Union(text.EosTokens)];
        bool greedy = generation.DoSample == false;
        SuggestedSampling = new SamplingOptions
        {
            Temperature = greedy ? 0 : generation.Temperature ?? 1,
            TopP = generation.TopP ?? 1,
            TopK = generation.TopK ?? 0,
            MinP = generation.MinP ?? 0,
            RepetitionPenalty = generation.RepetitionPenalty ?? 1,
        };
    }

    /// <summary>Its name: that of its folder.</summary>
    public string Name => NameOf(_checkpoint.Directory);

    /// <summary>The model.</summary>
    public DeepSeekModel Model { get; }

    /// <summary>Most tokens of a request's prompt and answer together.</summary>
    public int ContextLength { get; }

    /// <summary>Its tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>Its chat template; null where the directory has none.</summary>
    public ChatPrompt? Chat { get; }

    /// <summary>Tokens that end an answer: those of generation_config.json, config.json and tokenizer_config.json, each of which may leave some out.</summary>
    public IReadOnlyList<int> EosTokens { get; }

    /// <summary>The sampling of generation_config.json.</summary>
    public SamplingOptions SuggestedSampling { get; }

    /// <summary>The name of the model in a directory: that of the folder.</summary>
    public static string NameOf(string directory) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory)));

    /// <summary>Loads a directory.</summary>
    /// <param name="directory">config.json, *.safetensors, a tokenizer.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Told as files are opened; may be null.</param>
    /// <exception cref="UserErrorException">A file is missing or wrong, an option is out of its range, or the context is longer than the model allows.</exception>
    public static LoadedModel Open(string directory, LoadOptions options, IProgress<CheckpointProgress>? progress = null)
    {
        options.Check();

        // A vocabulary takes about as long to read as the rest.
        Task<ModelText> text = Task.Run(() => LoadText(directory, options.ChatTemplate));
        Checkpoint? checkpoint = null;
        WorkerTeam? team = null;
        DeepSeekModel? model = null;
        try
        {
            checkpoint = Checkpoint.Open(directory, progress);
            int context = FindContextLength(checkpoint.Config, options.Context);
            team = new WorkerTeam(options.Threads, options.Teams);
            ModelOptions sizes = new()
            {
                CacheBlocks = CacheBlocks(checkpoint.Config, options, context),
                CacheFormat = options.CacheFormat,
                MaxTokensPerStep = options.TokensPerStep,
                ReadAhead = checkpoint.ExceedsMemory,
            };
            model = new DeepSeekModel(
                checkpoint, options.Kernels, team, options.Divide?.Invoke(checkpoint.Config, options.Kernels, team, sizes) ?? sizes);
            ModelText loaded = text.GetAwaiter().GetResult();
            _ = checkpoint.PromotePages(stayMapped: options.Divide is null);
            return new LoadedModel(checkpoint, team, model, context, loaded);
        }
        catch
        {
            // It may fail too, and nobody asks for that any more: the runtime would report an exception that was never observed.
            _ = text.ContinueWith(static failed => failed.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            model?.Dispose();
            team?.Dispose();
            checkpoint?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Model.Dispose();
        _team.Dispose();
        _checkpoint.Dispose();
    }

    private static ModelText LoadText(string directory, string? template)
    {
        Tokenizer tokenizer = Tokenizer.Load(directory);
        TokenizerConfig config = TokenizerConfig.Read(directory);
        int[] eosTokens = config.SpecialTokens.TryGetValue("eos_token", out string? eos) && tokenizer.TryGetId(eos, out int id) ? [id] : [];
        return new ModelText(tokenizer, ChatPrompt.Load(template is null ? config : config.WithTemplate(template), tokenizer), eosTokens);
    }

    private static int CacheBlocks(ModelConfig config, LoadOptions options, int context)
    {
        const int Most = int.MaxValue / LatentPages.TokensPerBlock;
        long perBlock = LatentCache.BytesPerToken(config, options.CacheFormat) * LatentPages.TokensPerBlock;
        if (options.CacheMemory is not { } bytes)
        {
            int one = LatentCache.BlocksFor(context);
            long quarter = MachineMemory.Limit / 4 / options.Caches / perBlock;
            return (int)Math.Clamp(Math.Min((long)one * options.Contexts, quarter), one, Most);
        }

        long blocks = Math.Min(bytes / perBlock, Most);
        return blocks >= 1
            ? (int)blocks
            : throw new UserErrorException($"a cache of {bytes} bytes holds no block of {LatentPages.TokensPerBlock} tokens; one takes {perBlock} bytes in this model");
    }

    private static int FindContextLength(ModelConfig config, int? asked)
    {
        if (asked is < 1 || asked > config.MaxPositions)
        {
            throw new UserErrorException(
                $"a context of {asked} tokens was asked for; this model allows 1 to {config.MaxPositions} (max_position_embeddings)");
        }

        return asked ?? Math.Min(config.MaxPositions, LoadOptions.DefaultContext);
    }

    private sealed record ModelText(Tokenizer Tokenizer, ChatPrompt? Chat, int[] EosTokens);
}
