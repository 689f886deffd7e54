using System.Diagnostics;

namespace Conclave.Engine;

/// <summary>
/// What a request leaves in a trace: one activity from its submission to its end, with the attributes of OpenTelemetry's semantic conventions
/// for generative AI and, for latencies in seconds, the names that vLLM gives them. Nothing is allocated where nobody listens.
/// </summary>
internal static class GenerationTrace
{
    private static readonly ActivitySource Source = new(InferenceEngine.ActivitySourceName);

    /// <summary>Begins the activities of requests that are submitted together, as children of the caller's, whose own stays the current one. Where a listener throws none is left that has begun.</summary>
    public static void Start(ReadOnlySpan<Generation> generations, string? model)
    {
        try
        {
            foreach (Generation generation in generations)
            {
                generation.Activity = Start(generation.Request, model);
            }
        }
        catch (Exception e)
        {
            Stop(generations, e);
            throw;
        }
    }

    /// <summary>Ends the activities of requests that are not accepted.</summary>
    public static void Stop(ReadOnlySpan<Generation> generations, Exception error)
    {
        foreach (Generation generation in generations)
        {
            Stop(generation, error);
        }
    }

    private static Activity? Start(GenerationRequest request, string? model)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        Activity? caller = Activity.Current;
        string operation = request.IsChat ? "chat" : "text_completion";
        Activity? activity;
        try
        {
            activity = Source.StartActivity(model is null ? operation : $"{operation} {model}");
        }
        finally
        {
            Activity.Current = caller;
        }

        if (activity is not { IsAllDataRequested: true })
        {
            return activity;
        }

        SamplingOptions sampling = request.Sampling;
        activity.SetTag("gen_ai.operation.name", operation);
        activity.SetTag("gen_ai.provider.name", "conclave");
        activity.SetTag("gen_ai.request.model", model);
        activity.SetTag("gen_ai.request.max_tokens", sampling.MaxTokens);
        activity.SetTag("gen_ai.request.temperature", sampling.Temperature);
        activity.SetTag("gen_ai.request.top_p", sampling.TopP);
        activity.SetTag("gen_ai.request.choice.count", request.Samples);
        activity.SetTag("gen_ai.usage.input_tokens", request.Prompt.Count);
        return activity;
    }

    /// <summary>Ends the activity of a request whose answers have ended and whose times are known.</summary>
    public static void Stop(Generation generation, Exception? error)
    {
        if (generation.Activity is not { } activity)
        {
            return;
        }

        if (activity.IsAllDataRequested)
        {
            GenerationTimes times = generation.Times;
            activity.SetTag("gen_ai.response.id", generation.Request.ResponseId);
            activity.SetTag("gen_ai.response.model", activity.GetTagItem("gen_ai.request.model"));
            activity.SetTag("gen_ai.usage.output_tokens", generation.Answers.Sum(static answer => answer.Generated));
            activity.SetTag("gen_ai.usage.cache_read.input_tokens", generation.ReusedTokens);
            activity.SetTag("gen_ai.response.finish_reasons", Array.ConvertAll(generation.Answers, static answer => answer.Reason is { } reason ? FinishReasons.Word(reason) : FinishReasons.Error));
            activity.SetTag("gen_ai.latency.time_in_queue", times.Queue.TotalSeconds);
            activity.SetTag("gen_ai.latency.time_in_model_prefill", times.Prefill.TotalSeconds);
            activity.SetTag("gen_ai.latency.time_in_model_decode", times.Decode.TotalSeconds);
            activity.SetTag("gen_ai.latency.e2e", (times.Queue + times.Prefill + times.Decode).TotalSeconds);
            if (generation.FirstTokenAt != 0)
            {
                activity.SetTag("gen_ai.latency.time_to_first_token", (times.Queue + times.Prefill).TotalSeconds);
            }
        }

        if (error is not null)
        {
            activity.SetTag("error.type", error.GetType().FullName);
            activity.SetStatus(ActivityStatusCode.Error, error.Message);
        }

        // Stopping makes the caller's activity the current one of this thread, which belongs to no request.
        Activity? current = Activity.Current;
        try
        {
            activity.Stop();
        }
        finally
        {
            Activity.Current = current;
        }
    }
}
