using System.Diagnostics;
using System.Diagnostics.Metrics;
using Conclave.Engine.Scheduling;

namespace Conclave.Engine;

/// <summary>
/// What an engine tells of itself through <see cref="Meter"/>, with the names and meanings of vLLM's metrics behind conclave_. Counts of
/// requests and the cache are read when somebody looks; the rest is recorded where it happens. As in vLLM each of a request's n answers counts as a
/// request by itself, with the prompt and the times that they share.
/// </summary>
internal sealed class EngineMetrics : IDisposable
{
    private static readonly double[] FirstTokenBuckets =
        [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];

    // Finer than vLLM's at the lower end: small models need less than its first bucket.
    private static readonly double[] InterTokenBuckets =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];

    private static readonly double[] RequestBuckets =
        [0.01, 0.03, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];

    private static readonly long[] StepBuckets = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];
    private static readonly long[] AnswersBuckets = [1, 2, 5, 10, 20];

    private static readonly FinishReason[] Reasons = Enum.GetValues<FinishReason>();

    private readonly Meter _meter = new(InferenceEngine.MeterName);
    private readonly KeyValuePair<string, object?>[] _labels;
    private readonly long[] _ended = new long[Reasons.Length];
    private readonly Counter<long> _promptTokens;
    private readonly Counter<long> _prefillTokens;
    private readonly Counter<long> _generationTokens;
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _interToken;
    private readonly Histogram<double> _timePerToken;
    private readonly Histogram<double> _endToEnd;
    private readonly Histogram<double> _queue;
    private readonly Histogram<double> _prefill;
    private readonly Histogram<double> _decode;
    private readonly Histogram<double> _inference;
    private readonly Histogram<long> _stepTokens;
    private readonly Histogram<long> _requestPrompt;
    private readonly Histogram<long> _requestGeneration;
    private readonly Histogram<long> _requestMaxTokens;
    private readonly Histogram<long> _requestAnswers;
    private readonly Histogram<long> _longestAnswer;
    private long _failed;

    /// <summary>Creates the instruments.</summary>
    /// <param name="model">The name that the model is served under, for the label model_name.</param>
    /// <param name="contextLength">Most tokens of prompt and answer together.</param>
    /// <param name="status">Where the engine stands.</param>
    public EngineMetrics(string? model, int contextLength, Func<EngineStatus> status)
    {
        // There is one engine, whatever the number of caches; vLLM numbers them.
        _labels = [new("model_name", model), new("engine", "0")];
        Gauge("conclave_num_requests_running", () => status().Running, "Answers that are computed.");
        Gauge("conclave_num_requests_waiting", () => status().Waiting, "Requests and further answers that wait for their turn.");
        Gauge("conclave_kv_cache_usage_perc", () => Usage(status()), "Part of the cache's blocks in use, 0 to 1.");
        Count("conclave_prefix_cache_queries", () => status().PrefixQueries, "Tokens of prompts that were looked for in the prefix cache.");
        Count("conclave_prefix_cache_hits", () => status().PrefixHits, "Tokens of prompts that the prefix cache had.");
        Count("conclave_num_preemptions", () => status().Preemptions, "How often an answer lost its blocks and was computed again.");
        _promptTokens = _meter.CreateCounter<long>("conclave_prompt_tokens", description: "Tokens of prompts, cached ones too, counted for each answer with its first token.");
        _prefillTokens = _meter.CreateCounter<long>(
            "conclave_prefill_tokens", description: "Tokens of prompts that were computed, step by step: without cached ones, with those that were computed again.");
        _generationTokens = _meter.CreateCounter<long>("conclave_generation_tokens", description: "Tokens that were generated.");
        _meter.CreateObservableCounter("conclave_request_success", Ends, description: "Answers that ended, by finished_reason.");
        _firstToken = Histogram("conclave_time_to_first_token_seconds", FirstTokenBuckets, "From a request to its first token.");
        _interToken = Histogram("conclave_inter_token_latency_seconds", InterTokenBuckets, "From an answer's token to its next.");
        _timePerToken = Histogram(
            "conclave_request_time_per_output_token_seconds", InterTokenBuckets, "Mean time from one token to the next of an answer that came to its end and has more than one.");
        _endToEnd = Histogram("conclave_e2e_request_latency_seconds", RequestBuckets, "From a request to the end of an answer.");
        _queue = Histogram("conclave_request_queue_time_seconds", RequestBuckets, "From a request until its prompt is worked on.");
        _prefill = Histogram("conclave_request_prefill_time_seconds", RequestBuckets, "From there to the first token.");
        _decode = Histogram("conclave_request_decode_time_seconds", RequestBuckets, "From there to the end.");
        _inference = Histogram("conclave_request_inference_time_seconds", RequestBuckets, "From the begin of the work on the prompt to the end: prefill and decode.");
        long[] lengthBuckets = LengthBuckets(contextLength);
        _stepTokens = Histogram("conclave_iteration_tokens_total", StepBuckets, "Tokens, of prompts and answers, that a step computed.");
        _requestPrompt = Histogram("conclave_request_prompt_tokens", lengthBuckets, "Tokens of the prompt of an answer that came to its end.");
        _requestGeneration = Histogram("conclave_request_generation_tokens", lengthBuckets, "Tokens of an answer that came to its end.");
        _requestMaxTokens = Histogram("conclave_request_params_max_tokens", lengthBuckets, "How many tokens an answer that came to its end might have had.");
        _requestAnswers = Histogram("conclave_request_params_n", AnswersBuckets, "How many answers were asked for, once for a request all of whose answers came to their end.");
        _longestAnswer = Histogram("conclave_request_max_num_generation_tokens", lengthBuckets, "Tokens of the longest answer of such a request.");
    }

    /// <summary>Adds what each expert was given: a series for each layer and expert.</summary>
    public void Add(ExpertLoad load) => _meter.CreateObservableCounter(
        InferenceEngine.ExpertTokens, () => load.Measure(_labels), description: "Tokens that an expert was given, by layer and expert.");

    /// <summary>A step was computed.</summary>
    /// <param name="plans">What was computed in each partition of the cache.</param>
    public void Stepped(ReadOnlySpan<StepPlan> plans)
    {
        long prompt = 0;
        long all = 0;
        foreach (StepPlan plan in plans)
        {
            all += plan.Tokens;
            foreach (ref readonly StepEntry entry in plan.Entries)
            {
                prompt += entry.Form == Models.AttentionForm.Expanded ? entry.Count : 0;
            }
        }

        Record(_stepTokens, all);
        if (prompt > 0)
        {
            Add(_prefillTokens, prompt);
        }
    }

    /// <summary>A token was chosen.</summary>
    public void TokenAt(Sample sample)
    {
        long now = Stopwatch.GetTimestamp();
        Generation generation = sample.Generation;
        Add(_generationTokens, 1);
        if (sample.LastTokenAt != 0)
        {
            Record(_interToken, Stopwatch.GetElapsedTime(sample.LastTokenAt, now).TotalSeconds);
        }
        else
        {
            if (generation.FirstTokenAt == 0)
            {
                generation.BeginDecode(now);
            }

            PromptComputed(generation);
            Record(_firstToken, Stopwatch.GetElapsedTime(generation.SubmittedAt, generation.FirstTokenAt).TotalSeconds);
        }

        sample.LastTokenAt = now;
    }

    /// <summary>The prompt of an answer was computed.</summary>
    public void PromptComputed(Generation generation) => Add(_promptTokens, generation.Request.Prompt.Count);

    /// <summary>
    /// An answer has ended: until now its request took its time. Only what it went through to the end is recorded: one that was cancelled has no latency to compare with others.
    /// </summary>
    public void Finished(Sample sample)
    {
        Generation generation = sample.Generation;
        generation.MeasureTimes();
        _ended[(int)sample.Reason!]++;
        RecordBegin(generation, generation.FirstTokenAt != 0 || IsComplete(sample));
        if (!IsComplete(sample))
        {
            return;
        }

        (TimeSpan queue, TimeSpan prefill, TimeSpan decode) = generation.Times;
        Record(_decode, decode.TotalSeconds);
        Record(_inference, (prefill + decode).TotalSeconds);
        Record(_endToEnd, (queue + prefill + decode).TotalSeconds);
        if (sample.Generated > 1)
        {
            Record(_timePerToken, decode.TotalSeconds / (sample.Generated - 1));
        }

        Record(_requestPrompt, generation.Request.Prompt.Count);
        Record(_requestGeneration, sample.Generated);
        Sequence sequence = generation.Answers[0].Sequence!;
        Record(_requestMaxTokens, sequence.Capacity - sequence.PromptLength);
        if (Array.TrueForAll(generation.Answers, IsComplete))
        {
            Record(_requestAnswers, generation.Answers.Length);
            Record(_longestAnswer, generation.Answers.Max(static answer => answer.Generated));
        }
    }

    /// <summary>A request cannot go on: what has not ended of it ends with an error.</summary>
    public void Failed(Generation generation)
    {
        generation.MeasureTimes();
        foreach (Sample answer in generation.Answers)
        {
            if (answer.Reason is null)
            {
                _failed++;
                RecordBegin(generation, generation.FirstTokenAt != 0);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    private static bool IsComplete(Sample sample) => sample.Reason is FinishReason.Stop or FinishReason.Length;

    private void RecordBegin(Generation generation, bool prefilled)
    {
        if (generation.BeganAt != 0)
        {
            Record(_queue, generation.Times.Queue.TotalSeconds);
        }

        if (prefilled)
        {
            Record(_prefill, generation.Times.Prefill.TotalSeconds);
        }
    }

    private void Record<T>(Histogram<T> histogram, T value)
        where T : struct
    {
        try
        {
            histogram.Record(value, _labels);
        }
#pragma warning disable CA1031 // An application's listener threw, on the engine's thread: requests, which are nothing to it, go on.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private void Add(Counter<long> counter, long count)
    {
        try
        {
            counter.Add(count, _labels);
        }
#pragma warning disable CA1031 // As above.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    // 1, 2, 5, 10, … as long as they are lengths that may occur.
    private static long[] LengthBuckets(int contextLength)
    {
        List<long> buckets = [];
        for (long ten = 1; ten <= contextLength; ten *= 10)
        {
            buckets.AddRange(new[] { ten, 2 * ten, 5 * ten }.Where(bucket => bucket <= contextLength));
        }

        return [.. buckets];
    }

    // All from the start: the first error would else be no increase to whoever watches the rate.
    private IEnumerable<Measurement<long>> Ends() =>
        Reasons.Select(reason => Ends(_ended[(int)reason], FinishReasons.Word(reason))).Append(Ends(_failed, FinishReasons.Error));

    private Measurement<long> Ends(long count, string reason) => new(count, [.. _labels, new("finished_reason", reason)]);

    private void Gauge<T>(string name, Func<T> read, string description)
        where T : struct => _meter.CreateObservableGauge(name, () => new Measurement<T>(read(), _labels), description: description);

    private void Count(string name, Func<long> read, string description) =>
        _meter.CreateObservableCounter(name, () => new Measurement<long>(read(), _labels), description: description);

    private static double Usage(in EngineStatus status) => (double)status.UsedBlocks / status.CacheBlocks;

    private Histogram<T> Histogram<T>(string name, T[] buckets, string description)
        where T : struct => _meter.CreateHistogram(name, description: description, advice: new InstrumentAdvice<T> { HistogramBucketBoundaries = buckets });
}
