using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Absorbed latent attention, the scalar reference: each worker computes whole heads, row after row.</summary>
public sealed unsafe class ReferenceAbsorbedAttention : LatentAttention
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
                    for (int i = 0; i < span.Rows; i++)
                    {
                        Compute(span, i, head, worker);
                    }
                }
            }
        }

        private void Compute(AttentionSpan span, int i, int head, int worker)
        {
            const int Segment = LatentPages.TokensPerBlock;
            nint projection = ReferenceProjection.ScratchBytes(shape.LatentDim, 1);
            nint doubles = shape.CacheDim + ReferenceSoftmaxSum.StateSize(shape.LatentDim);
            nint floats = ((nint)Segment * shape.CacheDim) + shape.LatentDim;
            byte* scratch = team.Scratch(worker, projection + (doubles * sizeof(double)) + (floats * sizeof(float)));
            double* absorbed = (double*)(scratch + projection);
            double* state = absorbed + shape.CacheDim;
            float* latent = (float*)(absorbed + doubles);
            float* average = latent + ((nint)Segment * shape.CacheDim);

            float* q = query.PointerF32(span.FirstRow + i) + ((nint)head * shape.QueryDim);
            Absorb(q, head, absorbed, (double*)scratch);
            ReferenceSoftmaxSum.Begin(state, shape.LatentDim);
            Span<double> scores = stackalloc double[Segment];
            for (int segment = 0; segment * Segment <= span.FirstPosition + i; segment++)
            {
                int visible = ReferenceContext.Visible(span.FirstPosition + i, segment);
                ReferenceContext.Widen(pages, span, segment, visible, latent);
                for (int t = 0; t < visible; t++)
                {
                    double score = 0;
                    for (int k = 0; k < shape.CacheDim; k++)
                    {
                        score += absorbed[k] * latent[((nint)t * shape.CacheDim) + k];
                    }

                    scores[t] = score * shape.Scale;
                }

                ReferenceSoftmaxSum.Add(state, shape.LatentDim, scores[..visible], latent, shape.CacheDim);
            }

            ReferenceSoftmaxSum.End(state, shape.LatentDim, average);
            float* y = output.PointerF32(span.FirstRow + i) + ((nint)head * shape.ValueDim);
            ReferenceProjection.Run(
                expansion,
                ((nint)head * shape.HeadRows) + shape.NopeDim,
                shape.ValueDim,
                average,
                shape.LatentDim,
                1,
                y,
                shape.ValueDim,
                scratch);
        }

        /// <summary>[W^UKᵀ q^C; q^R], summed over the rows of W^UK in their order.</summary>
        private void Absorb(float* q, int head, double* absorbed, double* row)
        {
            new Span<double>(absorbed, shape.LatentDim).Clear();
            for (int j = 0; j < shape.NopeDim; j++)
            {
                ReferenceWeights.Decode(expansion, ((nint)head * shape.HeadRows) + j, row);
                for (int k = 0; k < shape.LatentDim; k++)
                {
                    absorbed[k] += q[j] * row[k];
                }
            }

            for (int k = 0; k < shape.RopeDim; k++)
            {
                absorbed[shape.LatentDim + k] = q[shape.NopeDim + k];
            }
        }
    }
}
