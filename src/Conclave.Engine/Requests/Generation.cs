using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Conclave.Engine.Scheduling;

namespace Conclave.Engine;

/// <summary>A request that an engine has accepted: its answers as they come. One reader.</summary>
public sealed class Generation
{
    private readonly Channel<GenerationUpdate> _updates = Channel.CreateUnbounded<GenerationUpdate>(new() { SingleReader = true, SingleWriter = true });
    private readonly Action<Generation> _cancel;
    private readonly Action<Generation> _ended;
    private readonly List<TokenLogprobs?> _promptLogprobs = [];

    internal Generation(GenerationRequest request, Action<Generation> cancel, Action<Generation> ended)
    {
        Request = request;
        _cancel = cancel;
        _ended = ended;
    }

    /// <summary>What was asked for.</summary>
    public GenerationRequest Request { get; }

    /// <summary>The seed of each answer.</summary>
    public IReadOnlyList<long> Seeds { get; internal set; } = [];

    /// <summary>Tokens of the prompt that were in the prefix cache. Known with the first update.</summary>
    public int ReusedTokens { get; internal set; }

    /// <summary>For each token of the prompt, where they were asked for; null for the first, which nothing precedes. Complete with the first update.</summary>
    public IReadOnlyList<TokenLogprobs?> PromptLogprobs => _promptLogprobs;

    /// <summary>How long it took. Known with the last update.</summary>
    public GenerationTimes Times { get; internal set; }

    /// <summary>What traces show of the request; null where nobody listens.</summary>
    internal Activity? Activity { get; set; }

    internal Sample[] Answers { get; set; } = [];

    /// <summary>The scheduler of the partition of the cache that holds it; null until the engine's thread has seen it.</summary>
    internal Scheduler? Partition { get; set; }

    internal int Unfinished { get; set; }

    internal bool Ended { get; private set; }

    internal long SubmittedAt { get; } = Stopwatch.GetTimestamp();

    internal long BeganAt { get; private set; }

    internal long FirstTokenAt { get; private set; }

    /// <summary>
    /// The updates of all answers, in the order in which they were computed, until the last answer has ended. Leaving early cancels.
    /// </summary>
    /// <param name="cancellation">Cancels the request.</param>
    /// <exception cref="Conclave.Primitives.UserErrorException">The request cannot be continued as it was asked.</exception>
    /// <exception cref="EngineUnavailableException">The engine stopped or failed.</exception>
    /// <exception cref="InvalidOperationException">The model's logits leave no token to choose.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled by the token.</exception>
    public async IAsyncEnumerable<GenerationUpdate> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        try
        {
            while (await WaitToReadAsync(cancellation).ConfigureAwait(false))
            {
                while (TryRead(out GenerationUpdate update))
                {
                    yield return update;
                }
            }
        }
        finally
        {
            Cancel();
        }
    }

    /// <summary>Waits for the next update; false after the last.</summary>
    /// <exception cref="Conclave.Primitives.UserErrorException">The request cannot be continued as it was asked.</exception>
    /// <exception cref="EngineUnavailableException">The engine stopped or failed.</exception>
    /// <exception cref="InvalidOperationException">The model's logits leave no token to choose.</exception>
    /// <exception cref="OperationCanceledException">The waiting was cancelled by the token; the request goes on.</exception>
    public ValueTask<bool> WaitToReadAsync(CancellationToken cancellation) => _updates.Reader.WaitToReadAsync(cancellation);

    /// <summary>Takes the next update if it is there.</summary>
    public bool TryRead(out GenerationUpdate update) => _updates.Reader.TryRead(out update);

    /// <summary>Ends all answers that have not ended, before the next step. Their last updates say <see cref="FinishReason.Cancelled"/>.</summary>
    public void Cancel()
    {
        if (!_updates.Reader.Completion.IsCompleted)
        {
            _cancel(this);
        }
    }

    internal void Add(TokenLogprobs? logprobs) => _promptLogprobs.Add(logprobs);

    internal void Begin()
    {
        if (BeganAt == 0)
        {
            BeganAt = Stopwatch.GetTimestamp();
            Activity?.AddEvent(new ActivityEvent("prefill"));
        }
    }

    /// <summary>The first token of any answer was chosen.</summary>
    internal void BeginDecode(long now)
    {
        FirstTokenAt = now;
        Activity?.AddEvent(new ActivityEvent("decode"));
    }

    internal void Write(in GenerationUpdate update) => _updates.Writer.TryWrite(update);

    /// <summary>Sets the times as if the request ended now; the last answer's end does.</summary>
    internal void MeasureTimes()
    {
        long now = Stopwatch.GetTimestamp();
        long began = BeganAt == 0 ? now : BeganAt;
        long first = FirstTokenAt == 0 ? now : FirstTokenAt;
        Times = new GenerationTimes(
            Stopwatch.GetElapsedTime(SubmittedAt, began), Stopwatch.GetElapsedTime(began, first), Stopwatch.GetElapsedTime(first, now));
    }

    internal void End(Exception? error)
    {
        if (!Ended)
        {
            Ended = true;
            try
            {
                GenerationTrace.Stop(this, error);
            }
#pragma warning disable CA1031 // An application's listener threw: the request's reader is told, whom it may concern; the engine's thread serves others.
            catch (Exception e)
#pragma warning restore CA1031
            {
                error ??= e;
            }

            _updates.Writer.Complete(error);
            _ended(this);
        }
    }
}

/// <summary>How long a request took.</summary>
/// <param name="Queue">From the submission until its prompt was first worked on.</param>
/// <param name="Prefill">From there to the first token.</param>
/// <param name="Decode">From there to the end.</param>
public readonly record struct GenerationTimes(TimeSpan Queue, TimeSpan Prefill, TimeSpan Decode);
