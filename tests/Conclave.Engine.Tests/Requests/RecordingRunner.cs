using System.Collections.Concurrent;
using Conclave.Engine.Scheduling;
using Conclave.Engine.Tests.Scheduling;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Engine.Tests.Requests;

/// <summary>A null model with several caches that remembers which sequences each step computed in which of them; it can be made to wait.</summary>
internal sealed class RecordingRunner(int blocks, int partitions, int vocabularySize) : IModelRunner
{
    private const int MaxRows = 256;
    private readonly NullModelRunner _inner = new(blocks, 64, MaxRows, vocabularySize, partitions);

    public int VocabularySize => vocabularySize;

    /// <summary>Closed: steps wait.</summary>
    public ManualResetEventSlim Gate { get; } = new(true);

    /// <summary>The sequences of each step, by partition.</summary>
    public ConcurrentQueue<Sequence[][]> Steps { get; } = [];

    /// <summary>What the null model answers to a prompt.</summary>
    public static int[] Alone(IEnumerable<int> prompt, int tokens, int vocabularySize)
    {
        ulong state = prompt.Aggregate(0UL, (sum, token) => NullModelRunner.Next(sum, token, AttentionForm.Expanded));
        int[] answer = new int[tokens];
        foreach (ref int token in answer.AsSpan())
        {
            token = NullModelRunner.Choose(state, vocabularySize);
            state = NullModelRunner.Next(state, token, AttentionForm.Absorbed);
        }

        return answer;
    }

    public TensorView Run(params ReadOnlySpan<StepPlan> plans)
    {
        Gate.Wait();
        Sequence[][] step = new Sequence[plans.Length][];
        for (int i = 0; i < plans.Length; i++)
        {
            step[i] = [.. plans[i].Entries.ToArray().Select(entry => entry.Sequence)];
        }

        Steps.Enqueue(step);
        return _inner.Run(plans);
    }

    public void Dispose()
    {
        _inner.Dispose();
        Gate.Dispose();
    }
}
