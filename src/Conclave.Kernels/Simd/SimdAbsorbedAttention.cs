using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Absorbed latent attention. A worker takes a group of heads for a few rows at a time, so that a weight is decoded once for these rows and a cached
/// block serves the heads from the cache of the core; of long contexts it takes all heads if there are rows enough for everybody. Every element of an
/// absorbed query is one chain of fused multiply-adds over the rows of W^UK in their order, the weights decoded as the codec does; scores are <see cref="LatentDots{TSimd, TVector}"/>, a segment's weighted sum of latents is
/// one chain over its positions.
/// </summary>
internal sealed unsafe class SimdAbsorbedAttention<TSimd, TVector> : LatentAttention
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const int Segment = LatentPages.TokensPerBlock;
    private const int HeadsAtOnce = OrderedProduct<TSimd, TVector>.MaxRows;

    // Rows that share decoded weights, and the heads times rows of an item: their queries and sums then take about a megabyte.
    private const int MaxRows = 16;
    private const int MaxRowHeads = 256;
    private const int ItemsPerWorker = 2;

    // Below it, decoding a head's weights once more for other rows costs more than reading their contexts for other heads.
    private const int LongContext = 512;

    // Weight rows decoded at once: their binary32 values stay in the first-level cache.
    private const int WeightRows = 8;

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
        int rows = 0;
        long positions = 0;
        foreach (AttentionSpan span in spans)
        {
            rows += span.Rows;
            positions += (long)span.Rows * (span.FirstPosition + span.Rows);
        }

        if (rows == 0)
        {
            return;
        }

        int next = -1;
        team.Run(new Work(shape, query, expansion, pages, spans, output, team, Division.Of(rows, shape.Heads, positions, team.Count), &next));
    }

    /// <summary>How rows and heads are cut into items. It decides who computes a result, never the result.</summary>
    private readonly record struct Division(int Rows, int Heads, int RowsOfItem, int HeadsOfItem)
    {
        public int HeadGroups => (Heads + HeadsOfItem - 1) / HeadsOfItem;

        public int Items => HeadGroups * ((Rows + RowsOfItem - 1) / RowsOfItem);

        /// <param name="rows">Rows.</param>
        /// <param name="heads">Heads.</param>
        /// <param name="positions">What all rows see together.</param>
        /// <param name="workers">Who shares the items.</param>
        public static Division Of(int rows, int heads, long positions, int workers)
        {
            int wanted = workers == 1 ? 1 : workers * ItemsPerWorker;
            if (positions >= (long)rows * LongContext)
            {
                // Each item reads its rows' contexts: rows are divided first, and of few rows as few heads as occupy everybody.
                int rowsEach = int.Clamp(rows / wanted, 1, MaxRows);
                int groups = (rows + rowsEach - 1) / rowsEach;
                int headParts = groups >= workers ? 1 : (workers + groups - 1) / groups;
                return new Division(rows, heads, rowsEach, int.Clamp((heads + headParts - 1) / headParts, 1, MaxRowHeads / rowsEach));
            }

            int rowsOfItem = int.Min(rows, MaxRows);
            int headsOfItem = int.Clamp(heads / wanted, 1, MaxRowHeads / rowsOfItem);
            int headGroups = (heads + headsOfItem - 1) / headsOfItem;
            int rowGroups = int.Min(rows, (wanted + headGroups - 1) / headGroups);
            return new Division(rows, heads, int.Min(rowsOfItem, (rows + rowGroups - 1) / rowGroups), headsOfItem);
        }
    }

    private readonly ref struct Work(
        LatentAttentionShape shape,
        TensorView query,
        TensorView expansion,
        LatentPages pages,
        ReadOnlySpan<AttentionSpan> spans,
        TensorView output,
        WorkerTeam team,
        Division division,
        int* next) : IWork
    {
        private readonly ReadOnlySpan<AttentionSpan> _spans = spans;

        public void Run(int worker, int workers)
        {
            for (int item = Interlocked.Increment(ref *next); item < division.Items; item = Interlocked.Increment(ref *next))
            {
                (int rowGroup, int headGroup) = Math.DivRem(item, division.HeadGroups);
                int firstHead = headGroup * division.HeadsOfItem;
                Compute(rowGroup * division.RowsOfItem, firstHead, int.Min(division.HeadsOfItem, shape.Heads - firstHead), worker);
            }
        }

        private void Compute(int firstRow, int firstHead, int heads, int worker)
        {
            QueryRow* rows = stackalloc QueryRow[MaxRows];
            int count = FindRows(firstRow, rows);
            Room room = new(shape, count, heads, team, worker);
            for (int h = 0; h < heads; h++)
            {
                Absorb(firstHead + h, rows, count, room.Absorbed + ((nint)h * shape.CacheDim), (nint)heads * shape.CacheDim, room);
            }

            for (int i = 0; i < count; i++)
            {
                nint first = (nint)i * heads;
                Attend(
                    rows[i],
                    heads,
                    room.Absorbed + (first * shape.CacheDim),
                    room.Totals + (first * shape.LatentDim),
                    room.States,
                    room);
            }

            for (int h = 0; h < heads; h++)
            {
                TSimd.Project(
                    expansion,
                    ((nint)(firstHead + h) * shape.HeadRows) + shape.NopeDim,
                    shape.ValueDim,
                    room.Totals + ((nint)h * shape.LatentDim),
                    (nint)heads * shape.LatentDim,
                    count,
                    room.Values,
                    shape.ValueDim,
                    room.Projection);
                for (int i = 0; i < count; i++)
                {
                    new ReadOnlySpan<float>(room.Values + ((nint)i * shape.ValueDim), shape.ValueDim).CopyTo(
                        new Span<float>(output.PointerF32(rows[i].Row) + ((nint)(firstHead + h) * shape.ValueDim), shape.ValueDim));
                }
            }
        }

        /// <summary>Finds the rows of an item, counted through all spans.</summary>
        private int FindRows(int first, QueryRow* rows)
        {
            int count = 0;
            foreach (AttentionSpan span in _spans)
            {
                for (int i = int.Max(0, first); i < span.Rows && count < division.RowsOfItem; i++)
                {
                    rows[count++] = new QueryRow(span.FirstRow + i, span.FirstPosition + i, span);
                }

                first -= span.Rows;
            }

            return count;
        }

        /// <summary>[W^UKᵀ q^C; q^R] of one head for all rows.</summary>
        private void Absorb(int head, QueryRow* rows, int count, float* absorbed, nint absorbedStride, Room room)
        {
            for (int i = 0; i < count; i++)
            {
                float* q = query.PointerF32(rows[i].Row) + ((nint)head * shape.QueryDim);
                new ReadOnlySpan<float>(q, shape.NopeDim).CopyTo(new Span<float>(room.Queries + ((nint)i * shape.NopeDim), shape.NopeDim));
                new ReadOnlySpan<float>(q + shape.NopeDim, shape.RopeDim).CopyTo(
                    new Span<float>(absorbed + (i * absorbedStride) + shape.LatentDim, shape.RopeDim));
            }

            int* depths = stackalloc int[OrderedProduct<TSimd, TVector>.MaxRows];
            for (int j = 0; j < shape.NopeDim; j += WeightRows)
            {
                int depth = int.Min(WeightRows, shape.NopeDim - j);
                new Span<int>(depths, OrderedProduct<TSimd, TVector>.MaxRows).Fill(depth);
                for (int r = 0; r < depth; r++)
                {
                    SimdCodec<TSimd, TVector>.Decode(
                        expansion, ((nint)head * shape.HeadRows) + j + r, room.Weights + ((nint)r * shape.LatentDim));
                }

                for (int i = 0; i < count; i += OrderedProduct<TSimd, TVector>.MaxRows)
                {
                    OrderedProduct<TSimd, TVector>.Run(
                        room.Queries + ((nint)i * shape.NopeDim) + j,
                        shape.NopeDim,
                        int.Min(OrderedProduct<TSimd, TVector>.MaxRows, count - i),
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
        private void Attend(QueryRow row, int heads, float* absorbed, float* totals, SegmentSoftmax<TSimd, TVector>.Sums* states, Room room)
        {
            int* depths = stackalloc int[HeadsAtOnce];
            SegmentSoftmax<TSimd, TVector>.Sums* sums = stackalloc SegmentSoftmax<TSimd, TVector>.Sums[HeadsAtOnce];
            for (int segment = 0; segment * Segment <= row.Position; segment++)
            {
                int visible = int.Min(Segment, row.Position + 1 - (segment * Segment));
                new Span<int>(depths, HeadsAtOnce).Fill(visible);
                float* tokens = ContextSegment<TSimd, TVector>.Tokens(pages, row.Span, segment, visible, room.Tokens);
                LatentDots<TSimd, TVector>.Run(absorbed, heads, tokens, visible, shape.CacheDim, room.Scores, Segment);
                for (int h = 0; h < heads; h += HeadsAtOnce)
                {
                    int count = int.Min(HeadsAtOnce, heads - h);
                    float* scores = room.Scores + ((nint)h * Segment);
                    for (int i = 0; i < count; i++)
                    {
                        sums[i] = SegmentSoftmax<TSimd, TVector>.Weigh(scores + (i * Segment), visible, shape.Scale);
                    }

                    OrderedProduct<TSimd, TVector>.Run(
                        scores,
                        Segment,
                        count,
                        depths,
                        tokens,
                        shape.CacheDim,
                        shape.LatentDim,
                        room.Part,
                        shape.LatentDim,
                        accumulate: false);
                    for (int i = 0; i < count; i++)
                    {
                        SegmentSoftmax<TSimd, TVector>.Join(
                            ref states[h + i],
                            totals + ((nint)(h + i) * shape.LatentDim),
                            sums[i],
                            room.Part + ((nint)i * shape.LatentDim),
                            shape.LatentDim,
                            first: segment == 0);
                    }
                }
            }

            for (int h = 0; h < heads; h++)
            {
                SegmentSoftmax<TSimd, TVector>.End(states[h], totals + ((nint)h * shape.LatentDim), shape.LatentDim);
            }
        }
    }

    private readonly record struct QueryRow(int Row, int Position, AttentionSpan Span);

    /// <summary>A worker's scratch memory for some rows and heads.</summary>
    private readonly struct Room
    {
        public Room(in LatentAttentionShape shape, int rows, int heads, WorkerTeam team, int worker)
        {
            ScratchLayout layout = default;
            nint rowHeads = (nint)rows * heads;
            nint absorbed = layout.Floats(rowHeads * shape.CacheDim);
            nint totals = layout.Floats(rowHeads * shape.LatentDim);
            nint states = layout.Bytes((nint)heads * sizeof(SegmentSoftmax<TSimd, TVector>.Sums));
            nint queries = layout.Floats((nint)rows * shape.NopeDim);
            nint weights = layout.Floats((nint)WeightRows * shape.LatentDim);
            nint tokens = layout.Floats((nint)Segment * shape.CacheDim);
            nint scores = layout.Floats((nint)heads * Segment);
            nint part = layout.Floats((nint)HeadsAtOnce * shape.LatentDim);
            nint values = layout.Floats((nint)rows * shape.ValueDim);
            nint projection = layout.Bytes(TSimd.ProjectionScratch(shape.LatentDim, rows));
            byte* memory = team.Scratch(worker, layout.Size);
            Absorbed = (float*)(memory + absorbed);
            Totals = (float*)(memory + totals);
            States = (SegmentSoftmax<TSimd, TVector>.Sums*)(memory + states);
            Queries = (float*)(memory + queries);
            Weights = (float*)(memory + weights);
            Tokens = (float*)(memory + tokens);
            Scores = (float*)(memory + scores);
            Part = (float*)(memory + part);
            Values = (float*)(memory + values);
            Projection = memory + projection;
        }

        /// <summary>[rows, heads, CacheDim].</summary>
        public float* Absorbed { get; }

        /// <summary>[rows, heads, LatentDim].</summary>
        public float* Totals { get; }

        public SegmentSoftmax<TSimd, TVector>.Sums* States { get; }

        public float* Queries { get; }

        public float* Weights { get; }

        public float* Tokens { get; }

        public float* Scores { get; }

        public float* Part { get; }

        public float* Values { get; }

        public byte* Projection { get; }
    }
}
