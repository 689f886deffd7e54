using Conclave.Engine.Scheduling;
using Conclave.Primitives;

namespace Conclave.Engine;

/// <summary>
/// What an engine does step by step: plan, compute, choose a token for every sequence whose last position was computed, hand it out. For one thread.
/// </summary>
internal sealed class EngineLoop(IModelRunner runner, Scheduler[] partitions, EngineMetrics metrics)
{
    private readonly Dictionary<Sequence, Sample> _samples = [];
    private readonly StepPlan[] _plans = new StepPlan[partitions.Length];
    private uint[] _mask = [];

    /// <summary>Lets a request wait for its turn, in one partition of the cache. Its first answer's sequence stands for all until the prompt is computed.</summary>
    public void Submit(Generation generation)
    {
        Sample first = generation.Answers[0];
        Sequence sequence = first.Sequence!;
        generation.Partition = partitions[PartitionChoice.Choose(partitions, sequence)];
        _samples.Add(sequence, first);
        generation.Partition.Submit(sequence);
    }

    /// <summary>Ends what has not ended of a request. Its blocks are free at once.</summary>
    public void Cancel(Generation generation)
    {
        foreach (Sample sample in generation.Answers)
        {
            if (!generation.Ended && !sample.Finished)
            {
                Finish(sample, new GenerationUpdate(sample.Index, null, sample.Flush(), null, FinishReason.Cancelled));
            }
        }
    }

    /// <summary>Ends all requests with an error.</summary>
    public void FailAll(Exception error)
    {
        foreach (Generation generation in _samples.Values.Select(sample => sample.Generation).Distinct().ToList())
        {
            Fail(generation, error);
        }
    }

    /// <summary>Computes a step; false where nothing was left to do.</summary>
    public bool Step()
    {
        bool isEmpty = true;
        for (int i = 0; i < partitions.Length; i++)
        {
            _plans[i] = partitions[i].Schedule();
            isEmpty &= _plans[i].Entries.IsEmpty;
            foreach (ref readonly StepEntry entry in _plans[i].Entries)
            {
                _samples[entry.Sequence].Generation.Begin();
            }
        }

        if (isEmpty)
        {
            return false;
        }

        TensorView logits = runner.Run(_plans);
        metrics.Stepped(_plans);
        int firstRow = 0;
        for (int i = 0; i < partitions.Length; i++)
        {
            Complete(partitions[i], _plans[i], logits.SliceRows(firstRow, _plans[i].LogitRows));
            firstRow += _plans[i].LogitRows;
        }

        return true;
    }

    private void Complete(Scheduler partition, StepPlan plan, TensorView logits)
    {
        partition.Complete();
        foreach (ref readonly StepEntry entry in plan.Entries)
        {
            // An answer may have ended in this very step, together with the other answers of its request.
            if (entry.Logits > 0 && _samples.TryGetValue(entry.Sequence, out Sample? sample))
            {
                Take(sample, entry, logits);
            }
        }
    }

    private void Take(Sample sample, in StepEntry entry, TensorView logits)
    {
        Generation generation = sample.Generation;
        Sequence sequence = entry.Sequence;
        try
        {
            if (generation.Request.PromptLogprobs is { } top && sequence.Generated.IsEmpty)
            {
                AddPromptLogprobs(generation, entry, logits, top);
            }

            if (entry.First + entry.Count != sequence.Count)
            {
                return;
            }

            if (sequence.Capacity == sequence.PromptLength)
            {
                FinishPrompt(generation, sequence);
                return;
            }

            ReadOnlySpan<float> row = logits.RowF32(entry.LogitRow + entry.Logits - 1);
            if (sequence.Generated.IsEmpty && sample.Index == 0)
            {
                generation.ReusedTokens = sequence.ReusedTokens;
                Fork(generation, sequence);
                foreach (Sample answer in generation.Answers)
                {
                    Advance(answer, row);
                }
            }
            else
            {
                Advance(sample, row);
            }
        }
        catch (Exception e) when (e is InvalidOperationException or UserErrorException)
        {
            // The request's own misfortune (no token can be chosen); others go on.
            Fail(generation, e);
        }
    }

    private void FinishPrompt(Generation generation, Sequence sequence)
    {
        generation.ReusedTokens = sequence.ReusedTokens;
        foreach (Sample answer in generation.Answers)
        {
            metrics.PromptComputed(generation);
            Finish(answer, new GenerationUpdate(answer.Index, null, "", null, FinishReason.Length));
        }
    }

    private void Fork(Generation generation, Sequence sequence)
    {
        foreach (Sample answer in generation.Answers.AsSpan(1))
        {
            answer.Sequence = generation.Partition!.Fork(sequence);
            _samples.Add(answer.Sequence, answer);
        }
    }

    private void Advance(Sample sample, ReadOnlySpan<float> logits)
    {
        int token = Choose(sample, logits);
        sample.Generated++;
        metrics.TokenAt(sample);
        TokenLogprobs? logprobs = sample.Generation.Request.Logprobs is { } top ? TokenLogprobs.Compute(logits, token, top) : null;
        if (sample.Sampler.IsStop(token) || sample.Matcher is { IsEnded: true })
        {
            Finish(sample, new GenerationUpdate(sample.Index, null, sample.End(token), logprobs, FinishReason.Stop)
            {
                StopToken = sample.Generation.Request.Sampling.StopTokens.Contains(token) ? token : null,
            });
            return;
        }

        Sequence sequence = sample.Sequence!;
        sample.Sampler.Accept(token);
        sequence.Append(token);
        string text = sample.Append(token);
        if (sample.StopString is { } stop)
        {
            Finish(sample, new GenerationUpdate(sample.Index, token, text, logprobs, FinishReason.Stop) { StopString = stop });
        }
        else if (sequence.Count == sequence.Capacity)
        {
            Finish(sample, new GenerationUpdate(sample.Index, token, text + sample.Flush(), logprobs, FinishReason.Length));
        }
        else
        {
            sample.Generation.Write(new GenerationUpdate(sample.Index, token, text, logprobs, null));
        }
    }

    private int Choose(Sample sample, ReadOnlySpan<float> logits)
    {
        if (sample.Matcher is not { } matcher)
        {
            return sample.Sampler.Sample(logits);
        }

        if (_mask.Length < matcher.MaskWords)
        {
            _mask = new uint[matcher.MaskWords];
        }

        matcher.FillMask(_mask);
        int token = sample.Sampler.Sample(logits, _mask);
        return matcher.TryAccept(token)
            ? token
            : throw new InvalidOperationException($"the grammar allowed token {token} and then refused it");
    }

    private static void AddPromptLogprobs(Generation generation, in StepEntry entry, TensorView logits, int top)
    {
        if (generation.PromptLogprobs.Count == 0)
        {
            generation.Add(null);
        }

        ReadOnlySpan<int> prompt = entry.Sequence.Tokens;
        for (int row = 0; row < entry.Logits; row++)
        {
            // A prompt that lost its blocks is computed again; what is known stays.
            int next = entry.First + entry.Count - entry.Logits + row + 1;
            if (next == generation.PromptLogprobs.Count && next < prompt.Length)
            {
                generation.Add(TokenLogprobs.Compute(logits.RowF32(entry.LogitRow + row), prompt[next], top));
            }
        }
    }

    private void Finish(Sample sample, in GenerationUpdate last)
    {
        Generation generation = sample.Generation;
        sample.Reason = last.Finish;
        Leave(sample);
        metrics.Finished(sample);
        generation.Write(last);
        if (--generation.Unfinished == 0)
        {
            generation.End(null);
        }
    }

    private void Fail(Generation generation, Exception error)
    {
        foreach (Sample sample in generation.Answers)
        {
            if (!sample.Finished)
            {
                Leave(sample);
            }
        }

        metrics.Failed(generation);
        generation.End(error);
    }

    private void Leave(Sample sample)
    {
        sample.Finished = true;
        if (sample.Sequence is { } sequence)
        {
            sample.Generation.Partition!.Finish(sequence);
            _samples.Remove(sequence);
        }
    }
}
