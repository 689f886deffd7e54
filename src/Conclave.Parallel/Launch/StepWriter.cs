using Conclave.Kernels;
using Conclave.Models;

namespace Conclave.Parallel.Launch;

/// <summary>
/// Writes the message that begins a step: the tokens of all groups together, then for each group that has other ranks than the writer its batch, behind its length. A batch is the copies of blocks, then
/// the chunks in the order of rows: rows, first position, form, rows that need logits, token ids, block table.
/// </summary>
/// <param name="groups">Groups that have tokens.</param>
/// <param name="ranksOfGroup">Ranks of each.</param>
internal sealed class StepWriter(int groups, int ranksOfGroup)
{
    private readonly ControlWriter _step = new();
    private readonly ControlWriter _batch = new();

    /// <summary>The message, valid until the next is written.</summary>
    /// <param name="batches">The first group's first; those of groups that are not there are empty.</param>
    public ReadOnlySpan<byte> Write(ReadOnlySpan<ForwardBatch> batches)
    {
        int tokens = 0;
        foreach (ForwardBatch batch in batches)
        {
            tokens += batch.Count;
        }

        _step.Clear().Int32(tokens);
        for (int group = FirstTold(ranksOfGroup); group < groups; group++)
        {
            _batch.Clear();
            if (group < batches.Length)
            {
                Write(batches[group]);
            }

            _step.Bytes(_batch.Written);
        }

        return _step.Written;
    }

    /// <summary>The first group of which a rank must be told.</summary>
    public static int FirstTold(int ranksOfGroup) => ranksOfGroup > 1 ? 0 : 1;

    private void Write(ForwardBatch batch)
    {
        _batch.Int32(batch.Copies.Length);
        foreach (ref readonly BlockCopy copy in batch.Copies)
        {
            _batch.Int32(copy.From).Int32(copy.To);
        }

        ReadOnlySpan<AttentionSpan> expanded = batch.Expanded;
        ReadOnlySpan<AttentionSpan> absorbed = batch.Absorbed;
        ReadOnlySpan<int> logitRows = batch.LogitRows;
        _batch.Int32(expanded.Length + absorbed.Length);
        while (expanded.Length + absorbed.Length > 0)
        {
            bool isExpanded = absorbed.IsEmpty || (!expanded.IsEmpty && expanded[0].FirstRow < absorbed[0].FirstRow);
            AttentionSpan span = isExpanded ? expanded[0] : absorbed[0];
            expanded = isExpanded ? expanded[1..] : expanded;
            absorbed = isExpanded ? absorbed : absorbed[1..];
            int logits = 0;
            while (logits < logitRows.Length && logitRows[logits] < span.FirstRow + span.Rows)
            {
                logits++;
            }

            logitRows = logitRows[logits..];
            _batch.Int32(span.Rows).Int32(span.FirstPosition).Int32((int)(isExpanded ? AttentionForm.Expanded : AttentionForm.Absorbed)).Int32(logits)
                .Int32s(batch.Tokens.Slice(span.FirstRow, span.Rows)).Int32s(ForwardBatch.BlockTable(span));
        }
    }
}
