using Conclave.Engine.Scheduling;
using Conclave.Kernels;
using Conclave.Primitives;
using Conclave.Text;
using Conclave.Text.Grammars;

namespace Conclave.Engine;

/// <summary>
/// Generates for many requests at a time by continuous batching: every step of one thread computes the next token of each running answer and chunks of new prompts.
/// A request's bits do not depend on the others. All members may be used from any thread.
/// </summary>
public sealed class InferenceEngine : IDisposable
{
    /// <summary>Name of the <see cref="System.Diagnostics.Metrics.Meter"/> that tells what happens.</summary>
    public const string MeterName = "Conclave.Engine";

    /// <summary>Name of the <see cref="System.Diagnostics.ActivitySource"/> that has an activity for each request.</summary>
    public const string ActivitySourceName = "Conclave.Engine";

    /// <summary>Name of the counter of <see cref="EngineOptions.ExpertMetrics"/>.</summary>
    public const string ExpertTokens = "conclave_expert_tokens";

    // Two that have all masks that one may have.
    private const long MostGrammarBytes = 128 << 20;

    private readonly EngineOptions _options;
    private readonly IModelRunner _runner;
    private readonly Tokenizer _tokenizer;
    private readonly int[] _eosTokens;
    private readonly Lazy<TokenMasks> _masks;
    private readonly Scheduler[] _partitions;
    private readonly EngineMetrics _metrics;
    private readonly EngineLoop _loop;
    private readonly SamplerWorkspace _workspace;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Guards what follows: what the thread has not seen yet, and what decides whether a request is taken.
    private readonly Lock _gate = new();
    private readonly AutoResetEvent _work = new(false);
    private readonly Queue<(Generation Generation, bool Cancel)> _inbox = [];
    private int _accepted;
    private bool _draining;
    private bool _stopping;
    private Exception? _failure;

    /// <summary>Starts an engine on a loaded model, whose cache it uses alone.</summary>
    /// <param name="model">The model, which must outlive the engine.</param>
    /// <param name="options">How many requests it takes.</param>
    /// <exception cref="UserErrorException">An option is out of its range, or more answers may run than a step has tokens.</exception>
    public InferenceEngine(LoadedModel model, EngineOptions options)
        : this(model, options.Checked(), model.Model.Config.RoutedExperts == 0 ? null : new ExpertLoad(model.Model.Config, model.Model.Options.Experts?.ChosenElsewhere))
    {
    }

    private InferenceEngine(LoadedModel model, EngineOptions options, ExpertLoad? load)
        : this(
            new DeepSeekRunner(model.Model, options.MaxRunning, model.ContextLength, load),
            model.Tokenizer,
            model.EosTokens,
            new EngineSizes(model.Model.Options.CacheBlocks, model.Model.Options.MaxTokensPerStep, model.ContextLength, model.Model.DataRanks),
            options)
    {
        ExpertLoad = load;
        if (options.ExpertMetrics && load is not null)
        {
            _metrics.Add(load);
        }
    }

    internal InferenceEngine(IModelRunner runner, Tokenizer tokenizer, IEnumerable<int> eosTokens, EngineSizes sizes, EngineOptions options)
    {
        _options = options;
        _runner = runner;
        _tokenizer = tokenizer;
        _eosTokens = [.. eosTokens.Where(token => token < runner.VocabularySize)];
        _masks = new Lazy<TokenMasks>(() => new TokenMasks(tokenizer, _eosTokens.Where(token => token < tokenizer.VocabularySize).ToArray()));
        ContextLength = sizes.ContextLength;
        _partitions = [.. Enumerable.Range(0, sizes.Partitions).Select(_ => new Scheduler(
            new BlockManager(sizes.CacheBlocks, LatentPages.TokensPerBlock, options.PrefixReuse), sizes.TokensPerStep, options.MaxRunning))];
        _metrics = new EngineMetrics(options.ModelName, ContextLength, () => Status);
        _loop = new EngineLoop(runner, _partitions, _metrics);
        _workspace = new SamplerWorkspace(runner.VocabularySize);
        _thread = new Thread(Run) { Name = "conclave engine", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Most tokens of prompt and answer together.</summary>
    public int ContextLength { get; }

    /// <summary>Most answers that are computed at a time in a partition of the cache, and so the most of a request.</summary>
    public int MaxRunning => _options.MaxRunning;

    /// <summary>Grammars of the last requests, for those that ask for the same.</summary>
    public GrammarCache Grammars { get; } = new(MostGrammarBytes);

    /// <summary>What each expert was given; null where the model is not one with experts.</summary>
    public ExpertLoad? ExpertLoad { get; }

    /// <summary>Where the engine stands.</summary>
    public EngineStatus Status => EngineStatus.Of(_partitions);

    /// <summary>Why it takes no requests; null where it does.</summary>
    public EngineUnavailableReason? Unavailable
    {
        get
        {
            lock (_gate)
            {
                return UnavailableReason;
            }
        }
    }

    private EngineUnavailableReason? UnavailableReason =>
        _failure is not null ? EngineUnavailableReason.Failed
        : _draining || _stopping ? EngineUnavailableReason.Draining
        : _accepted >= MostRequests ? EngineUnavailableReason.Full
        : null;

    private int MostRequests => (_options.MaxRunning * _partitions.Length) + _options.MaxWaiting;

    /// <summary>Accepts a request. What can be known to be wrong with it is said here, before anything is computed.</summary>
    /// <exception cref="UserErrorException">The prompt does not fit, an option is out of range, or the grammar cannot be used with this model.</exception>
    /// <exception cref="EngineUnavailableException">It takes no request now.</exception>
    public Generation Submit(GenerationRequest request) => Submit([request])[0];

    /// <summary>Accepts several requests, or none of them: one that is refused must not have taken the places of others.</summary>
    /// <exception cref="UserErrorException">They are more than can ever be accepted together, or one of them is wrong, as for a single one.</exception>
    /// <exception cref="EngineUnavailableException">It does not take so many requests now.</exception>
    public IReadOnlyList<Generation> Submit(IReadOnlyList<GenerationRequest> requests)
    {
        CheckCount(requests);
        Generation[] generations = [.. requests.Select(Prepare)];

        // Listeners are an application's own: what they wait for may need the lock.
        GenerationTrace.Start(generations, _options.ModelName);
        try
        {
            Accept(generations);
        }
        catch (EngineUnavailableException e)
        {
            GenerationTrace.Stop(generations, e);
            throw;
        }

        return generations;
    }

    /// <summary>Makes sure that so many requests more would be taken now, for whoever has work to do before he submits them.</summary>
    /// <exception cref="EngineUnavailableException">They would not.</exception>
    public void CheckAvailable(int requests)
    {
        lock (_gate)
        {
            CheckRoom(requests);
        }
    }

    /// <summary>Computes the masks along a text ahead of the first request: what grammars share is known then.</summary>
    /// <param name="grammar">A grammar.</param>
    /// <param name="text">One of its texts.</param>
    /// <exception cref="UserErrorException">The grammar cannot be used with this model.</exception>
    public void WarmUp(Grammar grammar, string text)
    {
        GrammarMatcher matcher = _masks.Value.CreateMatcher(grammar);
        uint[] mask = new uint[matcher.MaskWords];
        List<int> tokens = [];
        _tokenizer.Encode(text, tokens, addSpecialTokens: false);
        foreach (int token in tokens.TakeWhile(matcher.TryAccept))
        {
            matcher.FillMask(mask);
        }
    }

    /// <summary>Takes no more requests and finishes those that it accepted.</summary>
    /// <param name="cancellation">Ends the waiting, not the requests.</param>
    public Task DrainAsync(CancellationToken cancellation = default)
    {
        lock (_gate)
        {
            _draining = true;
            CompleteIfDrained();
        }

        return _drained.Task.WaitAsync(cancellation);
    }

    /// <summary>
    /// Stops after the step that is being computed. What has not ended ends with an <see cref="EngineUnavailableException"/>. Whoever calls it returns when nothing is computed any more.
    /// </summary>
    public void Dispose()
    {
        bool isFirst;
        lock (_gate)
        {
            isFirst = !_stopping;
            _stopping = true;
            if (isFirst)
            {
                _work.Set();
            }
        }

        _thread.Join();
        if (!isFirst)
        {
            return;
        }

        _metrics.Dispose();
        _runner.Dispose();
        _work.Dispose();
    }

    private void Accept(Generation[] generations)
    {
        lock (_gate)
        {
            CheckRoom(generations.Length);
            _accepted += generations.Length;
            foreach (Generation generation in generations)
            {
                _inbox.Enqueue((generation, Cancel: false));
            }

            _work.Set();
        }
    }

    private void CheckRoom(int requests)
    {
        EngineUnavailableReason? reason = UnavailableReason ?? (_accepted + requests > MostRequests ? EngineUnavailableReason.Full : null);
        if (reason is { } why)
        {
            throw new EngineUnavailableException(why, Describe(why), _failure);
        }
    }

    private static string Describe(EngineUnavailableReason reason) => reason switch
    {
        EngineUnavailableReason.Full => "as many requests wait as may wait; try again later",
        EngineUnavailableReason.Draining => "the engine is shutting down and takes no new requests",
        _ => "the engine has failed and computes nothing any more",
    };

    // Answers are counted, not only requests: all of them take memory until the last one of the list has ended. How many one request may have is checked with it.
    private void CheckCount(IReadOnlyList<GenerationRequest> requests)
    {
        if (requests.Sum(request => (long)Math.Clamp(request.Samples, 1, MaxRunning)) > MostRequests)
        {
            throw new UserErrorException(
                $"prompt: {requests.Count} prompts, n answers to each, are more than the {MostRequests} answers that can run and wait here; send fewer prompts at a time, or lower n");
        }
    }

    private Generation Prepare(GenerationRequest request)
    {
        int[] prompt = [.. request.Prompt];
        CheckPrompt(prompt, request.Sampling.MaxTokens == 0 ? 0 : 1);
        request.Sampling.Validate(_runner.VocabularySize);
        CheckLogprobs("logprobs", request.Logprobs);
        CheckLogprobs("prompt_logprobs", request.PromptLogprobs);
        int room = ContextLength - prompt.Length;
        if (request.Sampling.MinTokens > room)
        {
            throw new UserErrorException(
                $"min_tokens: {request.Sampling.MinTokens} is more than fit: the context holds {ContextLength} tokens, {prompt.Length} of them are the prompt's; ask for fewer, or shorten the prompt");
        }

        Sequence sequence = new(prompt, Math.Min(request.Sampling.MaxTokens ?? room, room))
        {
            Priority = request.Priority,
            Samples = request.Samples,
            PromptLogits = request.PromptLogprobs is not null,
        };
        _partitions[0].Check(sequence);
        Generation generation = new(request, Cancel, Ended);
        Sampler sampler = new(request.Sampling, _workspace, prompt, _eosTokens);
        StopStringMatcher stops = new(request.Sampling.StopStrings, request.Sampling.IncludeStop);
        generation.Answers = [.. Enumerable.Range(0, request.Samples).Select(i => new Sample(
            generation, i, i == 0 ? sampler : sampler.Fork(request.Sampling.Seed + i), i == 0 ? stops : stops.Fork(), _tokenizer, Matcher(request)))];
        generation.Answers[0].Sequence = sequence;
        generation.Seeds = Array.ConvertAll(generation.Answers, answer => answer.Sampler.Seed);
        generation.Unfinished = request.Samples;
        return generation;
    }

    // The first mask of a grammar takes far longer than the others: here, where nobody waits for it but the one who asks.
    private GrammarMatcher? Matcher(GenerationRequest request)
    {
        if (request.Grammar is not { } grammar)
        {
            return null;
        }

        GrammarMatcher matcher = _masks.Value.CreateMatcher(grammar);
        matcher.FillMask(new uint[matcher.MaskWords]);
        return matcher;
    }

    private void CheckPrompt(int[] prompt, int leastAnswer)
    {
        if (prompt.Length > ContextLength - leastAnswer)
        {
            throw new UserErrorException(
                $"the prompt has {prompt.Length} tokens, the context holds {ContextLength} including the answer; shorten the prompt or give the model a longer context");
        }

        foreach (int token in prompt)
        {
            if ((uint)token >= (uint)_runner.VocabularySize)
            {
                throw new UserErrorException($"prompt: token id {token} is outside the vocabulary of {_runner.VocabularySize}");
            }
        }
    }

    private static void CheckLogprobs(string name, int? count)
    {
        if (count is < 0 or > GenerationRequest.MostLogprobs)
        {
            throw new UserErrorException($"{name}: {count} is out of range; from 0 to {GenerationRequest.MostLogprobs} is expected");
        }
    }

    private void Cancel(Generation generation)
    {
        lock (_gate)
        {
            if (_stopping)
            {
                return;
            }

            _inbox.Enqueue((generation, Cancel: true));
            _work.Set();
        }
    }

    private void Ended(Generation generation)
    {
        lock (_gate)
        {
            _accepted--;
            CompleteIfDrained();
        }
    }

    private void CompleteIfDrained()
    {
        if (_draining && _accepted == 0)
        {
            _drained.TrySetResult();
        }
    }

    private void Run()
    {
        try
        {
            while (TakeInbox())
            {
                if (!_loop.Step())
                {
                    _work.WaitOne();
                }
            }

            EndAll(new EngineUnavailableException(EngineUnavailableReason.Draining, "the engine was stopped before the request had ended"));
        }
#pragma warning disable CA1031 // Whatever failed in a step, nobody may wait for ever.
        catch (Exception e)
#pragma warning restore CA1031
        {
            lock (_gate)
            {
                _failure = e;
            }

            EndAll(e as EngineUnavailableException ?? new EngineUnavailableException(EngineUnavailableReason.Failed, $"a step of the engine failed: {e.Message}", e));
        }
    }

    /// <summary>False where the engine is to stop.</summary>
    private bool TakeInbox()
    {
        while (true)
        {
            Generation generation;
            bool cancel;
            lock (_gate)
            {
                if (_stopping)
                {
                    return false;
                }

                if (!_inbox.TryDequeue(out (Generation, bool) item))
                {
                    return true;
                }

                (generation, cancel) = item;
            }

            if (cancel)
            {
                _loop.Cancel(generation);
            }
            else
            {
                _loop.Submit(generation);
            }
        }
    }

    private void EndAll(EngineUnavailableException told)
    {
        List<Generation> unseen;
        lock (_gate)
        {
            unseen = [.. _inbox.Where(item => !item.Cancel).Select(item => item.Generation)];
            _inbox.Clear();
        }

        _loop.FailAll(told);
        foreach (Generation generation in unseen)
        {
            _metrics.Failed(generation);
            generation.End(told);
        }
    }
}
