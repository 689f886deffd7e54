using Conclave.Engine.Scheduling;
using Conclave.Primitives;

namespace Conclave.Engine.Tests.Requests;

/// <summary>A model that always answers with one token; it can be made to wait, to fail, or to give logits from which nothing can be chosen.</summary>
internal sealed class ScriptedRunner : IModelRunner
{
    private const int MaxRows = 64;
    private readonly NativeBuffer _buffer;
    private readonly TensorView _logits;

    public ScriptedRunner(int vocabularySize)
    {
        VocabularySize = vocabularySize;
        _buffer = NativeBuffer.ForF32(MaxRows, vocabularySize, out _logits);
    }

    public int VocabularySize { get; }

    public int Answer { get; init; } = 70;

    /// <summary>Sequences whose prompt begins with this token get NaN.</summary>
    public int Cursed { get; init; } = -1;

    public Exception? Failure { get; set; }

    /// <summary>Closed: steps wait.</summary>
    public ManualResetEventSlim Gate { get; } = new(true);

    /// <summary>How long a step takes: a long answer of slow steps cannot end before its client's leaving is noticed.</summary>
    public TimeSpan StepTime { get; init; }

    public TensorView Run(params ReadOnlySpan<StepPlan> plans)
    {
        Gate.Wait();
        Thread.Sleep(StepTime);
        if (Failure is { } failure)
        {
            throw failure;
        }

        int rows = 0;
        foreach (StepPlan plan in plans)
        {
            foreach (ref readonly StepEntry entry in plan.Entries)
            {
                for (int i = 0; i < entry.Logits; i++)
                {
                    Span<float> row = _logits.RowF32(rows++);
                    row.Fill(entry.Sequence.Tokens[0] == Cursed ? float.NaN : 0);
                    row[Answer] = entry.Sequence.Tokens[0] == Cursed ? float.NaN : 9;
                }
            }
        }

        return _logits.SliceRows(0, rows);
    }

    public void Dispose()
    {
        _buffer.Dispose();
        Gate.Dispose();
    }
}
