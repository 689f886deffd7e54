using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Expanded latent attention, the scalar reference: keys and values of a segment are expanded once for all rows of a span.</summary>
public sealed unsafe class ReferenceExpandedAttention : LatentAttention
{
    /// <inheritdoc/>
    public override void Run(
        in LatentAttentionShape shape,
        TensorView query,
        TensorView expansion,
        in LatentPages pages,
        ReadOnlySpan<AttentionSpan> spans,
        TensorView output,
        WorkerTeam team)
    {
        OperatorShapes.Attention(shape, query, expansion, pages, spans, output);
        team.Run(new Work(shape, query, expansion, pages, spans, output, team));
    }

    private readonly ref struct Work(
        LatentAttentionShape shape,
        TensorView query,
        TensorView expansion,
        LatentPages pages,
        ReadOnlySpan<AttentionSpan> spans,
        TensorView output,
        WorkerTeam team) : IWork
    {
        private readonly ReadOnlySpan<AttentionSpan> _spans = spans;

        public void Run(int worker, int workers)
        {
            foreach (AttentionSpan span in _spans)
            {
                for (int head = worker; head < shape.Heads; head += workers)
                {
                    Compute(span, head, worker);
                }
            }
        }

        private void Compute(AttentionSpan span, int head, int worker)
        {
            const int Segment = LatentPages.TokensPerBlock;
            nint stateSize = ReferenceSoftmaxSum.StateSize(shape.ValueDim);
            nint latentSize = (nint)Segment * shape.CacheDim;
            nint expandedSize = (nint)Segment * shape.HeadRows;
            nint projection = ReferenceProjection.ScratchBytes(shape.LatentDim, Segment);
            byte* scratch = team.Scratch(
                worker, projection + (span.Rows * stateSize * sizeof(double)) + ((latentSize + expandedSize) * sizeof(float)));
            double* states = (double*)(scratch + projection);
            float* latent = (float*)(states + (span.Rows * stateSize));
            float* expanded = latent + latentSize;
            for (int i = 0; i < span.Rows; i++)
            {
                ReferenceSoftmaxSum.Begin(states + (i * stateSize), shape.ValueDim);
            }

            Span<double> scores = stackalloc double[Segment];
            for (int segment = 0; segment < OperatorShapes.Segments(span); segment++)
            {
                int count = ReferenceContext.Visible(span.FirstPosition + span.Rows - 1, segment);
                ReferenceContext.Widen(pages, span, segment, count, latent);
                ReferenceProjection.Run(
                    expansion, (nint)head * shape.HeadRows, shape.HeadRows, latent, shape.CacheDim, count, expanded, shape.HeadRows, scratch);
                for (int i = 0; i < span.Rows; i++)
                {
                    int visible = ReferenceContext.Visible(span.FirstPosition + i, segment);
                    if (visible == 0)
                    {
                        continue;
                    }

                    float* q = query.PointerF32(span.FirstRow + i) + ((nint)head * shape.QueryDim);
                    for (int t = 0; t < visible; t++)
                    {
                        scores[t] = shape.Scale
                            * (Dot(q, expanded + ((nint)t * shape.HeadRows), shape.NopeDim)
                                + Dot(q + shape.NopeDim, latent + ((nint)t * shape.CacheDim) + shape.LatentDim, shape.RopeDim));
                    }

                    ReferenceSoftmaxSum.Add(
                        states + (i * stateSize), shape.ValueDim, scores[..visible], expanded + shape.NopeDim, shape.HeadRows);
                }
            }

            for (int i = 0; i < span.Rows; i++)
            {
                float* y = output.PointerF32(span.FirstRow + i) + ((nint)head * shape.ValueDim);
                ReferenceSoftmaxSum.End(states + (i * stateSize), shape.ValueDim, y);
            }
        }

        private static double Dot(float* a, float* b, int count)
        {
            double sum = 0;
            for (int k = 0; k < count; k++)
            {
                sum += (double)a[k] * b[k];
            }

            return sum;
        }
    }
}
