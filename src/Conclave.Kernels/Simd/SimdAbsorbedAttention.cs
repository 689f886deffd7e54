using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Absorbed latent attention. A worker takes a group of heads for a few rows at a time, so that a weight is decoded once for these rows and a cached
/// block serves the heads from the cache of the core; of long contexts it takes all heads if there are rows enough for everybody, and shares a row's context with others if there are not
/// (<see cref="SplitAbsorbedAttention{TSimd, TVector}"/>). <see cref="AbsorbedStages{TSimd, TVector}"/> says what is summed in which order.
/// </summary>
internal sealed unsafe class SimdAbsorbedAttention<TSimd, TVector> : LatentAttention
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    // Rows that share decoded weights, and the heads times rows of an item: their queries and sums then take about a megabyte.
    private const int MaxRows = 16;
    private const int MaxRowHeads = 256;
    private const int ItemsPerWorker = 2;

    // Below it, decoding a head's weights once more for other rows costs more than reading their contexts for other heads.
    private const int LongContext = 512;

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

        AbsorbedStages<TSimd, TVector> stages = new(shape, query, expansion, pages, spans, output);
        if (rows < team.Count && SplitAbsorbedAttention<TSimd, TVector>.TryRun(stages, rows, team))
        {
            return;
        }

        int next = -1;
        team.Run(new Work(stages, team, Division.Of(rows, shape.Heads, positions, team.Count), &next));
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

    private readonly ref struct Work(AbsorbedStages<TSimd, TVector> stages, WorkerTeam team, Division division, int* next) : IWork
    {
        private readonly AbsorbedStages<TSimd, TVector> _stages = stages;

        public void Run(int worker, int workers)
        {
            for (int item = Interlocked.Increment(ref *next); item < division.Items; item = Interlocked.Increment(ref *next))
            {
                (int rowGroup, int headGroup) = Math.DivRem(item, division.HeadGroups);
                int firstHead = headGroup * division.HeadsOfItem;
                Compute(rowGroup * division.RowsOfItem, firstHead, int.Min(division.HeadsOfItem, division.Heads - firstHead), worker);
            }
        }

        private void Compute(int firstRow, int firstHead, int heads, int worker)
        {
            LatentAttentionShape shape = _stages.Shape;
            QueryRow* rows = stackalloc QueryRow[MaxRows];
            int count = _stages.FindRows(firstRow, division.RowsOfItem, rows);
            nint rowHeads = (nint)count * heads;
            nint bytes = new AbsorbedRoom<TSimd, TVector>(shape, count, heads, rowHeads, null).Bytes;
            AbsorbedRoom<TSimd, TVector> room = new(shape, count, heads, rowHeads, team.Scratch(worker, bytes));
            for (int h = 0; h < heads; h++)
            {
                _stages.Absorb(firstHead + h, rows, count, room.Absorbed + ((nint)h * shape.CacheDim), (nint)heads * shape.CacheDim, room);
            }

            for (int i = 0; i < count; i++)
            {
                nint first = (nint)i * heads;
                _stages.Attend(rows[i], heads, room.Absorbed + (first * shape.CacheDim), room.Totals + (first * shape.LatentDim), room);
            }

            for (int h = 0; h < heads; h++)
            {
                _stages.Project(firstHead + h, rows, count, room.Totals + ((nint)h * shape.LatentDim), (nint)heads * shape.LatentDim, room);
            }
        }
    }
}
