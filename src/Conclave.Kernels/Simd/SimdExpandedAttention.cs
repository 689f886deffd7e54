using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Expanded latent attention. A worker takes one head of one span at a time: it expands the keys and values of a segment once for all rows that see
/// it. A score is one chain of fused multiply-adds over the elements of the query, an output element of a segment one over its positions.
/// </summary>
internal sealed unsafe class SimdExpandedAttention<TSimd, TVector> : LatentAttention
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const int Segment = LatentPages.TokensPerBlock;
    private static int RowsAtOnce => OrderedProduct<TSimd, TVector>.MaxRows;

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
        int next = -1;
        team.Run(new Work(shape, query, expansion, pages, spans, output, team, &next));
    }

    private readonly ref struct Work(
        LatentAttentionShape shape,
        TensorView query,
        TensorView expansion,
        LatentPages pages,
        ReadOnlySpan<AttentionSpan> spans,
        TensorView output,
        WorkerTeam team,
        int* next) : IWork
    {
        private readonly ReadOnlySpan<AttentionSpan> _spans = spans;

        public void Run(int worker, int workers)
        {
            for (int item = Interlocked.Increment(ref *next); item < _spans.Length * shape.Heads; item = Interlocked.Increment(ref *next))
            {
                (int span, int head) = Math.DivRem(item, shape.Heads);
                Compute(_spans[span], head, worker);
            }
        }

        private void Compute(AttentionSpan span, int head, int worker)
        {
            Room room = new(shape, span.Rows, team, worker);
            for (int segment = 0; segment < OperatorShapes.Segments(span); segment++)
            {
                int start = segment * Segment;
                int count = int.Min(Segment, span.FirstPosition + span.Rows - start);
                float* latent = ContextSegment<TSimd, TVector>.Tokens(pages, span, segment, count, room.Latent);
                TSimd.Project(
                    expansion,
                    (nint)head * shape.HeadRows,
                    shape.HeadRows,
                    latent,
                    shape.CacheDim,
                    count,
                    room.Expanded,
                    room.ExpandedStride,
                    room.Projection);
                TransposeKeys(room, latent, count);
                for (int row = int.Max(0, start - span.FirstPosition); row < span.Rows; row += RowsAtOnce)
                {
                    Update(span, head, row, int.Min(RowsAtOnce, span.Rows - row), segment, room);
                }
            }

            for (int row = 0; row < span.Rows; row++)
            {
                SegmentSoftmax<TSimd, TVector>.End(room.States[row], Output(span, head, row), shape.ValueDim);
            }
        }

        private float* Output(AttentionSpan span, int head, int row) =>
            output.PointerF32(span.FirstRow + row) + ((nint)head * shape.ValueDim);

        private void TransposeKeys(Room room, float* latent, int count)
        {
            for (int t = 0; t < count; t++)
            {
                float* key = room.Expanded + (t * room.ExpandedStride);
                for (int d = 0; d < shape.NopeDim; d++)
                {
                    room.Keys[(d * Segment) + t] = key[d];
                }

                float* rotary = latent + ((nint)t * shape.CacheDim) + shape.LatentDim;
                for (int d = 0; d < shape.RopeDim; d++)
                {
                    room.Keys[((shape.NopeDim + d) * Segment) + t] = rotary[d];
                }
            }
        }

        /// <summary>Takes a segment into the outputs of a few rows, which hold the state's weighted sum until the end.</summary>
        private void Update(AttentionSpan span, int head, int firstRow, int rows, int segment, Room room)
        {
            int start = segment * Segment;
            int* visible = stackalloc int[RowsAtOnce];
            int* dimensions = stackalloc int[RowsAtOnce];
            for (int i = 0; i < rows; i++)
            {
                visible[i] = int.Min(Segment, span.FirstPosition + firstRow + i + 1 - start);
                dimensions[i] = shape.QueryDim;
            }

            // Scores of positions that a row does not see are computed for the others' sake and ignored.
            float* q = query.PointerF32(span.FirstRow + firstRow) + ((nint)head * shape.QueryDim);
            OrderedProduct<TSimd, TVector>.Run(
                q, query.RowStride, rows, dimensions, room.Keys, Segment, visible[rows - 1], room.Scores, Segment, accumulate: false);
            SegmentSoftmax<TSimd, TVector>.Sums* sums = stackalloc SegmentSoftmax<TSimd, TVector>.Sums[RowsAtOnce];
            for (int i = 0; i < rows; i++)
            {
                sums[i] = SegmentSoftmax<TSimd, TVector>.Weigh(room.Scores + (i * Segment), visible[i], shape.Scale);
            }

            OrderedProduct<TSimd, TVector>.Run(
                room.Scores,
                Segment,
                rows,
                visible,
                room.Expanded + shape.NopeDim,
                room.ExpandedStride,
                shape.ValueDim,
                room.Part,
                shape.ValueDim,
                accumulate: false);
            for (int i = 0; i < rows; i++)
            {
                SegmentSoftmax<TSimd, TVector>.Join(
                    ref room.States[firstRow + i],
                    Output(span, head, firstRow + i),
                    sums[i],
                    room.Part + ((nint)i * shape.ValueDim),
                    shape.ValueDim,
                    first: segment == 0);
            }
        }
    }

    /// <summary>A worker's scratch memory for one head of one span.</summary>
    private readonly struct Room
    {
        public Room(in LatentAttentionShape shape, int rows, WorkerTeam team, int worker)
        {
            // Off the powers of two that models choose: tokens a multiple of 1 KiB apart would share few sets of the first-level cache.
            ExpandedStride = shape.HeadRows + 16;
            ScratchLayout layout = default;
            nint latent = layout.Floats((nint)Segment * shape.CacheDim);
            nint expanded = layout.Floats(Segment * ExpandedStride);
            nint keys = layout.Floats((nint)Segment * shape.QueryDim);
            nint scores = layout.Floats(RowsAtOnce * Segment);
            nint part = layout.Floats((nint)RowsAtOnce * shape.ValueDim);
            nint states = layout.Bytes((nint)rows * sizeof(SegmentSoftmax<TSimd, TVector>.Sums));
            nint projection = layout.Bytes(TSimd.ProjectionScratch(shape.LatentDim, Segment));
            byte* memory = team.Scratch(worker, layout.Size);
            Latent = (float*)(memory + latent);
            Expanded = (float*)(memory + expanded);
            Keys = (float*)(memory + keys);
            Scores = (float*)(memory + scores);
            Part = (float*)(memory + part);
            States = (SegmentSoftmax<TSimd, TVector>.Sums*)(memory + states);
            Projection = memory + projection;
        }

        public float* Latent { get; }

        /// <summary>[64, HeadRows]: keys without rotary part, then values, of each token.</summary>
        public float* Expanded { get; }

        /// <summary>Elements from one token's keys and values to the next.</summary>
        public nint ExpandedStride { get; }

        /// <summary>[QueryDim, 64].</summary>
        public float* Keys { get; }

        public float* Scores { get; }

        public float* Part { get; }

        public SegmentSoftmax<TSimd, TVector>.Sums* States { get; }

        public byte* Projection { get; }
    }
}
