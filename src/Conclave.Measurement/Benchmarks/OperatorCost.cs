using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>What a call of an operator has to do at least.</summary>
/// <param name="Bytes">Bytes that it moves between memory and the processor.</param>
/// <param name="Flops">Multiplications and additions.</param>
public readonly record struct OperatorCost(double Bytes, double Flops)
{
    /// <summary>Both together.</summary>
    public static OperatorCost operator +(OperatorCost a, OperatorCost b) => new(a.Bytes + b.Bytes, a.Flops + b.Flops);

    /// <summary>Reads the weights; activations, which caches hold, are not counted.</summary>
    /// <param name="weights">The matrix.</param>
    /// <param name="inputs">Input rows.</param>
    public static OperatorCost MatMul(TensorView weights, nint inputs) => new(BytesOf(weights), 2.0 * weights.Rows * weights.Columns * inputs);

    /// <summary>Reads the weights of all experts that have a row.</summary>
    /// <param name="experts">Weights by expert.</param>
    /// <param name="rows">The rows of each expert.</param>
    public static OperatorCost ExpertMlp(ReadOnlySpan<MlpWeights> experts, ExpertRows rows)
    {
        OperatorCost cost = default;
        for (int expert = 0; expert < experts.Length; expert++)
        {
            int inputs = rows.Offsets[expert + 1] - rows.Offsets[expert];
            if (inputs > 0)
            {
                (TensorView gate, TensorView up, TensorView down) = experts[expert];
                cost += MatMul(gate, inputs) + MatMul(up, inputs) + MatMul(down, inputs);
            }
        }

        return cost;
    }

    /// <summary>Reads the weights of the projections before attention.</summary>
    /// <param name="weights">The layer's weights.</param>
    /// <param name="tokens">Input rows.</param>
    public static OperatorCost MlaPrepare(in MlaPrepareWeights weights, nint tokens) =>
        MatMul(weights.QueryUp, tokens) + MatMul(weights.LatentDown, tokens) + (weights.QueryDown is { } down ? MatMul(down, tokens) : default);

    /// <summary>
    /// Reads kv_b_proj and the latents of every span's context; computes the query through W^UK, scores against latent and rotary key, the sum of latents, and that through W^UV.
    /// </summary>
    public static OperatorCost AbsorbedAttention(
        in LatentAttentionShape shape, TensorView expansion, in LatentPages pages, ReadOnlySpan<AttentionSpan> spans)
    {
        double flops = 0;
        foreach (ref readonly AttentionSpan span in spans)
        {
            flops += 2.0 * shape.Heads * (((double)span.Rows * shape.HeadRows * shape.LatentDim) + (Positions(span) * (shape.CacheDim + shape.LatentDim)));
        }

        return new OperatorCost(AttentionBytes(expansion, pages, spans), flops);
    }

    /// <summary>
    /// Reads kv_b_proj and the latents of every span's context; computes keys and values of the whole context out of its latents, scores, and the sum of values.
    /// </summary>
    public static OperatorCost ExpandedAttention(
        in LatentAttentionShape shape, TensorView expansion, in LatentPages pages, ReadOnlySpan<AttentionSpan> spans)
    {
        double flops = 0;
        foreach (ref readonly AttentionSpan span in spans)
        {
            flops += 2.0 * shape.Heads * ((Context(span) * shape.HeadRows * shape.LatentDim) + (Positions(span) * (shape.QueryDim + shape.ValueDim)));
        }

        return new OperatorCost(AttentionBytes(expansion, pages, spans), flops);
    }

    /// <summary>Reads and writes rows that no cache holds: a square, its sum, two multiplications for each element.</summary>
    /// <param name="rows">Input, of the output's size.</param>
    public static OperatorCost RmsNorm(TensorView rows) => new(2.0 * rows.ByteLength, 4.0 * rows.Rows * rows.Columns);

    /// <summary>Reads two matrices that no cache holds and writes one of them: a multiply-add for each element.</summary>
    /// <param name="rows">One of the two.</param>
    public static OperatorCost ScaledAdd(TensorView rows) => new(3.0 * rows.ByteLength, 2.0 * rows.Rows * rows.Columns);

    /// <summary>Reads and writes the rotary parts of rows that no cache holds: four multiplications and two additions for each pair. Angles, which all heads share, are not counted.</summary>
    /// <param name="rows">Rows.</param>
    /// <param name="heads">Heads of a row.</param>
    /// <param name="cos">A column for each pair of a head.</param>
    public static OperatorCost Rotary(nint rows, int heads, TensorView cos)
    {
        double pairs = (double)rows * heads * cos.Columns;
        return new OperatorCost(2 * 2 * sizeof(float) * pairs, 6 * pairs);
    }

    /// <summary>Reads rows that no cache holds, with their scales: an operation for each element.</summary>
    /// <param name="rows">What is decoded.</param>
    public static OperatorCost Decode(TensorView rows) => new(BytesOf(rows), (double)rows.Rows * rows.Columns);

    private static double AttentionBytes(TensorView expansion, in LatentPages pages, ReadOnlySpan<AttentionSpan> spans)
    {
        double bytes = BytesOf(expansion);
        foreach (ref readonly AttentionSpan span in spans)
        {
            bytes += Context(span) * pages.CacheDim * pages.Format.Size();
        }

        return bytes;
    }

    private static double BytesOf(TensorView weights)
    {
        double bytes = weights.ByteLength;
        if (weights.Scales.IsPresent)
        {
            bytes += sizeof(float) * Math.Ceiling((double)weights.Rows / weights.Scales.BlockRows) * Math.Ceiling((double)weights.Columns / weights.Scales.BlockColumns);
        }

        return bytes;
    }

    private static double Context(in AttentionSpan span) => span.FirstPosition + span.Rows;

    /// <summary>Pairs of a query and a position that it attends to.</summary>
    private static double Positions(in AttentionSpan span) => span.Rows * (span.FirstPosition + ((span.Rows + 1) / 2.0));
}
