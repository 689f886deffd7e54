using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>A row of queries.</summary>
internal readonly record struct QueryRow(int Row, int Position, AttentionSpan Span);

/// <summary>
/// What absorbed attention does for a row or a few, whoever does it: absorb W^UK into queries, sum a chunk of the context, join chunks in their order, project with W^UV. Every element of an
/// absorbed query is one chain of fused multiply-adds over the rows of W^UK in their order, the weights decoded as the codec does; scores are <see cref="LatentDots{TSimd, TVector}"/>; a segment's
/// weighted sum of latents is one chain over its positions.
/// </summary>
internal readonly unsafe ref struct AbsorbedStages<TSimd, TVector>(
    LatentAttentionShape shape, TensorView query, TensorView expansion, LatentPages pages, ReadOnlySpan<AttentionSpan> spans, TensorView output)
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Segments that are summed from nothing before they join the others, so that workers can share a context.</summary>
    public const int ChunkSegments = 8;

    private const int Segment = LatentPages.TokensPerBlock;

    private readonly ReadOnlySpan<AttentionSpan> _spans = spans;

    private const int HeadsAtOnce = OrderedProduct<TSimd, TVector>.MaxRows;

    public LatentAttentionShape Shape => shape;

    /// <summary>Chunks of a row's context.</summary>
    public static int Chunks(QueryRow row) => (row.Position / (ChunkSegments * Segment)) + 1;

    /// <summary>Finds up to <paramref name="most"/> rows, counted through all spans.</summary>
    public int FindRows(int first, int most, QueryRow* rows)
    {
        int count = 0;
        foreach (AttentionSpan span in _spans)
        {
            for (int i = int.Max(0, first); i < span.Rows && count < most; i++)
            {
                rows[count++] = new QueryRow(span.FirstRow + i, span.FirstPosition + i, span);
            }

            first -= span.Rows;
        }

        return count;
    }

    /// <summary>[W^UKᵀ q^C; q^R] of one head for some rows.</summary>
    public void Absorb(int head, QueryRow* rows, int count, float* absorbed, nint absorbedStride, in AbsorbedRoom<TSimd, TVector> room)
    {
        const int WeightRows = AbsorbedRoom<TSimd, TVector>.WeightRows;
        for (int i = 0; i < count; i++)
        {
            float* q = query.PointerF32(rows[i].Row) + ((nint)head * shape.QueryDim);
            new ReadOnlySpan<float>(q, shape.NopeDim).CopyTo(new Span<float>(room.Queries + ((nint)i * shape.NopeDim), shape.NopeDim));
            new ReadOnlySpan<float>(q + shape.NopeDim, shape.RopeDim).CopyTo(
                new Span<float>(absorbed + (i * absorbedStride) + shape.LatentDim, shape.RopeDim));
        }

        int* depths = stackalloc int[HeadsAtOnce];
        for (int j = 0; j < shape.NopeDim; j += WeightRows)
        {
            int depth = int.Min(WeightRows, shape.NopeDim - j);
            new Span<int>(depths, HeadsAtOnce).Fill(depth);
            for (int r = 0; r < depth; r++)
            {
                SimdCodec<TSimd, TVector>.Decode(expansion, ((nint)head * shape.HeadRows) + j + r, room.Weights + ((nint)r * shape.LatentDim));
            }

            for (int i = 0; i < count; i += HeadsAtOnce)
            {
                OrderedProduct<TSimd, TVector>.Run(
                    room.Queries + ((nint)i * shape.NopeDim) + j,
                    shape.NopeDim,
                    int.Min(HeadsAtOnce, count - i),
                    depths,
                    room.Weights,
                    shape.LatentDim,
                    shape.LatentDim,
                    absorbed + (i * absorbedStride),
                    absorbedStride,
                    accumulate: j > 0);
            }
        }
    }

    /// <summary>totals[h] = Σ_t softmax(absorbed[h] · token_t · Scale)_t · c_t for the heads of one row.</summary>
    public void Attend(QueryRow row, int heads, float* absorbed, float* totals, in AbsorbedRoom<TSimd, TVector> room)
    {
        AttendChunk(row, 0, heads, absorbed, totals, room.States, room);
        int chunks = Chunks(row);
        for (int chunk = 1; chunk < chunks; chunk++)
        {
            AttendChunk(row, chunk, heads, absorbed, room.ChunkTotals, room.ChunkStates, room);
            for (int h = 0; h < heads; h++)
            {
                nint place = (nint)h * shape.LatentDim;
                SegmentSoftmax<TSimd, TVector>.Join(
                    ref room.States[h], totals + place, room.ChunkStates[h], room.ChunkTotals + place, shape.LatentDim, first: false);
            }
        }

        for (int h = 0; h < heads; h++)
        {
            SegmentSoftmax<TSimd, TVector>.End(room.States[h], totals + ((nint)h * shape.LatentDim), shape.LatentDim);
        }
    }

    /// <summary>The weighted sums of a chunk of one row's context, not divided yet, and their states.</summary>
    public void AttendChunk(
        QueryRow row, int chunk, int heads, float* absorbed, float* totals, SegmentSoftmax<TSimd, TVector>.Sums* states, in AbsorbedRoom<TSimd, TVector> room)
    {
        int* depths = stackalloc int[HeadsAtOnce];
        SegmentSoftmax<TSimd, TVector>.Sums* sums = stackalloc SegmentSoftmax<TSimd, TVector>.Sums[HeadsAtOnce];
        int groups = (heads + HeadsAtOnce - 1) / HeadsAtOnce;
        int together = (heads + groups - 1) / groups;
        int first = chunk * ChunkSegments;
        for (int segment = first; segment < first + ChunkSegments && segment * Segment <= row.Position; segment++)
        {
            int visible = int.Min(Segment, row.Position + 1 - (segment * Segment));
            new Span<int>(depths, HeadsAtOnce).Fill(visible);
            float* tokens = ContextSegment<TSimd, TVector>.Tokens(pages, row.Span, segment, visible, room.Tokens);
            LatentDots<TSimd, TVector>.Run(absorbed, heads, tokens, visible, shape.CacheDim, room.Scores, Segment);
            for (int h = 0; h < heads; h += together)
            {
                int count = int.Min(together, heads - h);
                float* scores = room.Scores + ((nint)h * Segment);
                for (int i = 0; i < count; i++)
                {
                    sums[i] = SegmentSoftmax<TSimd, TVector>.Weigh(scores + (i * Segment), visible, shape.Scale);
                }

                OrderedProduct<TSimd, TVector>.Run(
                    scores, Segment, count, depths, tokens, shape.CacheDim, shape.LatentDim, room.Part, shape.LatentDim, accumulate: false);
                for (int i = 0; i < count; i++)
                {
                    SegmentSoftmax<TSimd, TVector>.Join(
                        ref states[h + i],
                        totals + ((nint)(h + i) * shape.LatentDim),
                        sums[i],
                        room.Part + ((nint)i * shape.LatentDim),
                        shape.LatentDim,
                        first: segment == first);
                }
            }
        }
    }

    /// <summary>output = W^UV · totals of one head for some rows, whose totals lie <paramref name="stride"/> elements apart.</summary>
    public void Project(int head, QueryRow* rows, int count, float* totals, nint stride, in AbsorbedRoom<TSimd, TVector> room)
    {
        nint firstRow = ((nint)head * shape.HeadRows) + shape.NopeDim;
        TSimd.Project(expansion, firstRow, shape.ValueDim, new InputRows((nint)totals, stride), count, room.Values, shape.ValueDim, room.Projection);
        for (int i = 0; i < count; i++)
        {
            new ReadOnlySpan<float>(room.Values + ((nint)i * shape.ValueDim), shape.ValueDim).CopyTo(
                new Span<float>(output.PointerF32(rows[i].Row) + ((nint)head * shape.ValueDim), shape.ValueDim));
        }
    }
}
