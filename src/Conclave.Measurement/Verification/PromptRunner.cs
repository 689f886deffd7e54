using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>One way to compute a prompt. All ways must give what the reference gives; the expanded ones give the same bits.</summary>
/// <param name="Name">What it is called in reports.</param>
/// <param name="ChunkSizes">Tokens of each chunk, repeated from the start as often as needed; empty: all at once.</param>
/// <param name="Form">How attention computes the prompt's positions.</param>
public sealed record PromptRun(string Name, IReadOnlyList<int> ChunkSizes, AttentionForm Form)
{
    /// <summary>One chunk; odd chunks; token by token as a prompt; token by token as if generated.</summary>
    public static IReadOnlyList<PromptRun> All { get; } =
    [
        new("one chunk", [], AttentionForm.Expanded),
        new("odd chunks", [5, 1, 23, 64, 2], AttentionForm.Expanded),
        new("token by token", [1], AttentionForm.Expanded),
        new("token by token, absorbed", [1], AttentionForm.Absorbed),
    ];
}

/// <summary>Runs prompts of a golden file and collects everything that the file may have.</summary>
internal sealed class PromptRunner(DeepSeekModel model, ForwardBatch batch, int[] blockTable)
{
    public PromptOutputs Run(int[] prompt, int greedyTokens, PromptRun run, bool withMtp)
    {
        PromptOutputs outputs = new(prompt.Length);
        TensorView logits = default;
        foreach ((int first, int count) in Chunks(prompt.Length, run))
        {
            batch.Clear();
            batch.Add(prompt.AsSpan(first, count), first, run.Form, blockTable, count);
            outputs.BeginChunk(first);
            logits = model.Forward(batch, outputs);
            outputs.Collect("final_norm", model.Hidden(count));
            outputs.Collect("logits", logits);
        }

        RunGreedy(outputs, prompt.Length, greedyTokens, logits.RowF32(logits.Rows - 1));
        if (withMtp && prompt.Length > 1)
        {
            RunMtp(outputs, prompt, run);
        }

        return outputs;
    }

    private static IEnumerable<(int First, int Count)> Chunks(int length, PromptRun run)
    {
        int first = 0;
        for (int chunk = 0; first < length; chunk++)
        {
            int size = run.ChunkSizes.Count == 0 ? length : run.ChunkSizes[chunk % run.ChunkSizes.Count];
            int count = Math.Min(size, length - first);
            yield return (first, count);
            first += count;
        }
    }

    private void RunGreedy(PromptOutputs outputs, int position, int count, ReadOnlySpan<float> logits)
    {
        for (int i = 0; i < count; i++)
        {
            int token = ArgMax(logits);
            outputs.Greedy.Add(token);
            if (i + 1 < count)
            {
                batch.Clear();
                batch.Add([token], position + i, AttentionForm.Absorbed, blockTable, 1);
                logits = model.Forward(batch).RowF32(0);
            }
        }
    }

    private void RunMtp(PromptOutputs outputs, int[] prompt, PromptRun run)
    {
        float[,] hidden = outputs.Values["final_norm"];
        int length = prompt.Length - 1;
        foreach ((int first, int count) in Chunks(length, run))
        {
            using NativeBuffer buffer = NativeBuffer.ForF32(count, hidden.GetLength(1), out TensorView previous);
            for (int row = 0; row < count; row++)
            {
                Span<float> destination = previous.RowF32(row);
                for (int column = 0; column < destination.Length; column++)
                {
                    destination[column] = hidden[first + row, column];
                }
            }

            batch.Clear();
            batch.Add(prompt.AsSpan(first + 1, count), first, run.Form, blockTable, count);
            outputs.BeginChunk(first);
            outputs.Collect("mtp.logits", model.ForwardMtp(batch, previous), length);
        }
    }

    private static int ArgMax(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best])
            {
                best = i;
            }
        }

        return best;
    }
}
