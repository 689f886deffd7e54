using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models.Tests;

/// <summary>The bits that a rank computes in some steps, in which chunks of a prompt and generated tokens of two sequences come together.</summary>
/// <param name="Hidden">Hidden states of each step.</param>
/// <param name="Logits">Logits of each step, and of the MTP layer where there is one.</param>
internal sealed record GroupSteps(uint[][] Hidden, uint[][] Logits)
{
    /// <summary>Most tokens of a step.</summary>
    public const int MaxTokens = 48;

    private const AttentionForm Prompt = AttentionForm.Expanded;
    private const AttentionForm Generated = AttentionForm.Absorbed;

    // The longer prompt is cut within a segment of the context and goes beyond it; the last step has a token for one rank only.
    private static readonly (int Sequence, int First, int Count, AttentionForm Form)[][] Steps =
    [
        [(0, 0, 16, Prompt), (1, 0, 5, Prompt)],
        [(0, 16, 17, Prompt), (1, 5, 1, Generated)],
        [(0, 33, 47, Prompt), (1, 6, 1, Generated)],
        [(1, 7, 1, Generated), (0, 80, 1, Generated)],
        [(0, 81, 1, Generated)],
    ];

    private static readonly int[][] BlockTables = [[3, 1], [2]];

    /// <summary>Computes the steps.</summary>
    /// <param name="checkpoint">The model.</param>
    /// <param name="options">How it is set up; sizes do not matter.</param>
    /// <param name="kernels">The operators.</param>
    /// <param name="team">Who computes.</param>
    /// <param name="hasTokens">False for a rank that has only experts.</param>
    /// <param name="wantsLogits">Whether this rank computes logits.</param>
    public static GroupSteps Run(Checkpoint checkpoint, ModelOptions options, KernelSet kernels, WorkerTeam team, bool hasTokens = true, bool wantsLogits = true)
    {
        using DeepSeekModel model = new(checkpoint, kernels, team, options with { CacheBlocks = 4, MaxTokensPerStep = MaxTokens, WithMtp = true });
        using ForwardBatch batch = new(MaxTokens, 2, 8);
        Random random = new(1);
        int[][] tokens = [.. BlockTables.Select(_ => Enumerable.Range(0, 82).Select(_ => random.Next(checkpoint.Config.VocabularySize)).ToArray())];
        List<uint[]> hidden = [];
        List<uint[]> logits = [];
        foreach ((int Sequence, int First, int Count, AttentionForm Form)[] step in Steps)
        {
            batch.Clear();
            foreach ((int sequence, int first, int count, AttentionForm form) in hasTokens ? step : [])
            {
                batch.Add(tokens[sequence].AsSpan(first, count), first, form, BlockTables[sequence], wantsLogits ? 1 : 0);
            }

            if (hasTokens)
            {
                logits.Add(Bits(model.Forward(batch)));
            }
            else
            {
                model.ForwardHidden(batch, step.Sum(part => part.Count));
                logits.Add([]);
            }

            hidden.Add(Bits(model.Hidden(batch.Count)));
            if (model.HasMtp)
            {
                logits.Add(Bits(model.ForwardMtp(batch, model.Hidden(batch.Count))));
            }
        }

        return new GroupSteps([.. hidden], [.. logits]);
    }

    private static uint[] Bits(TensorView matrix) =>
        [.. Enumerable.Range(0, (int)matrix.Rows).SelectMany(row => matrix.RowF32(row).ToArray()).Select(BitConverter.SingleToUInt32Bits)];
}
