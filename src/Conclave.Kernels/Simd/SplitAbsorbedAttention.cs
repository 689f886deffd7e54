namespace Conclave.Kernels;

/// <summary>
/// Absorbed attention of fewer rows than workers over long contexts: chunks of a row's context are items of their own (Flash-Decoding, Dao et al. 2023), so that each part of the cache is read by
/// one worker for all heads. Chunks are joined in their order, as <see cref="AbsorbedStages{TSimd, TVector}.Attend"/> does, so no bit depends on it.
/// </summary>
internal static unsafe class SplitAbsorbedAttention<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    // What the sums of all chunks may take; beyond that, rows or heads are divided.
    private const nint MostBytes = 128 << 20;
    private const int ItemsPerWorker = 2;

    // Few chunks are divided by heads too: the last one of a context may be short, and workers would wait for those that have whole ones.
    private const int ChunkItemsPerWorker = 4;

    /// <summary>Computes all rows, or returns false where no context has a second chunk or there are too many.</summary>
    public static bool TryRun(in AbsorbedStages<TSimd, TVector> stages, int rows, WorkerTeam team)
    {
        LatentAttentionShape shape = stages.Shape;
        QueryRow* found = stackalloc QueryRow[rows];
        int* firstChunks = stackalloc int[rows + 1];
        stages.FindRows(0, rows, found);
        firstChunks[0] = 0;
        for (int i = 0; i < rows; i++)
        {
            firstChunks[i + 1] = firstChunks[i] + AbsorbedStages<TSimd, TVector>.Chunks(found[i]);
        }

        int chunks = firstChunks[rows];
        Sums sums = new(shape, rows, chunks, null);
        if (chunks == rows || sums.Bytes > MostBytes)
        {
            return false;
        }

        // What all workers share lies before the first one's own scratch memory.
        nint own = new AbsorbedRoom<TSimd, TVector>(shape, rows, shape.Heads, rows, null).Bytes;
        byte* memory = team.Scratch(0, sums.Bytes + own);
        sums = new Sums(shape, rows, chunks, memory);
        Call call = new(found, firstChunks, rows, sums, memory + sums.Bytes, own, team);
        int headParts = int.Min(shape.Heads, ItemsPerWorker * team.Count);
        int next = -1;
        team.Run(new AbsorbPass(stages, call, headParts, &next));
        next = -1;
        team.Run(new ChunkPass(stages, call, chunks, int.Min(shape.Heads, ((ChunkItemsPerWorker * team.Count) + chunks - 1) / chunks), &next));
        next = -1;
        team.Run(new OutputPass(stages, call, headParts, &next));
        return true;
    }

    /// <summary>What the passes hand on.</summary>
    private readonly struct Sums
    {
        public Sums(in LatentAttentionShape shape, int rows, int chunks, byte* memory)
        {
            ScratchLayout layout = default;
            nint absorbed = layout.Floats((nint)rows * shape.Heads * shape.CacheDim);
            nint totals = layout.Floats((nint)chunks * shape.Heads * shape.LatentDim);
            nint states = layout.Bytes((nint)chunks * shape.Heads * sizeof(SegmentSoftmax<TSimd, TVector>.Sums));
            Bytes = layout.Size;
            Absorbed = (float*)(memory + absorbed);
            Totals = (float*)(memory + totals);
            States = (SegmentSoftmax<TSimd, TVector>.Sums*)(memory + states);
        }

        public nint Bytes { get; }

        /// <summary>[rows, heads, CacheDim].</summary>
        public float* Absorbed { get; }

        /// <summary>[chunks of all rows, heads, LatentDim].</summary>
        public float* Totals { get; }

        /// <summary>[chunks of all rows, heads].</summary>
        public SegmentSoftmax<TSimd, TVector>.Sums* States { get; }
    }

    private readonly struct Call(QueryRow* rows, int* firstChunks, int count, Sums sums, byte* first, nint own, WorkerTeam team)
    {
        public QueryRow* Rows { get; } = rows;

        public int Count { get; } = count;

        public Sums Sums { get; } = sums;

        /// <summary>Counted through the chunks of all rows.</summary>
        public int FirstChunk(int row) => firstChunks[row];

        /// <summary>A worker's own memory; of one head at a time it keeps the sums of all rows.</summary>
        public AbsorbedRoom<TSimd, TVector> Room(in LatentAttentionShape shape, int worker) =>
            new(shape, Count, shape.Heads, Count, worker == 0 ? first : team.Scratch(worker, own));
    }

    private readonly ref struct AbsorbPass(AbsorbedStages<TSimd, TVector> stages, Call call, int headParts, int* next) : IWork
    {
        private readonly AbsorbedStages<TSimd, TVector> _stages = stages;

        public void Run(int worker, int workers)
        {
            LatentAttentionShape shape = _stages.Shape;
            AbsorbedRoom<TSimd, TVector> room = call.Room(shape, worker);
            for (int part = Interlocked.Increment(ref *next); part < headParts; part = Interlocked.Increment(ref *next))
            {
                (nint head, nint end) = WorkRange.Of(shape.Heads, part, headParts);
                for (; head < end; head++)
                {
                    _stages.Absorb((int)head, call.Rows, call.Count, call.Sums.Absorbed + (head * shape.CacheDim), (nint)shape.Heads * shape.CacheDim, room);
                }
            }
        }
    }

    private readonly ref struct ChunkPass(AbsorbedStages<TSimd, TVector> stages, Call call, int chunks, int headParts, int* next) : IWork
    {
        private readonly AbsorbedStages<TSimd, TVector> _stages = stages;

        public void Run(int worker, int workers)
        {
            LatentAttentionShape shape = _stages.Shape;
            AbsorbedRoom<TSimd, TVector> room = call.Room(shape, worker);
            for (int item = Interlocked.Increment(ref *next); item < chunks * headParts; item = Interlocked.Increment(ref *next))
            {
                (int chunk, int part) = Math.DivRem(item, headParts);
                int row = 0;
                while (call.FirstChunk(row + 1) <= chunk)
                {
                    row++;
                }

                (nint head, nint end) = WorkRange.Of(shape.Heads, part, headParts);
                nint place = ((nint)chunk * shape.Heads) + head;
                _stages.AttendChunk(
                    call.Rows[row],
                    chunk - call.FirstChunk(row),
                    (int)(end - head),
                    call.Sums.Absorbed + ((((nint)row * shape.Heads) + head) * shape.CacheDim),
                    call.Sums.Totals + (place * shape.LatentDim),
                    call.Sums.States + place,
                    room);
            }
        }
    }

    private readonly ref struct OutputPass(AbsorbedStages<TSimd, TVector> stages, Call call, int headParts, int* next) : IWork
    {
        private readonly AbsorbedStages<TSimd, TVector> _stages = stages;

        public void Run(int worker, int workers)
        {
            LatentAttentionShape shape = _stages.Shape;
            AbsorbedRoom<TSimd, TVector> room = call.Room(shape, worker);
            for (int part = Interlocked.Increment(ref *next); part < headParts; part = Interlocked.Increment(ref *next))
            {
                (nint head, nint end) = WorkRange.Of(shape.Heads, part, headParts);
                for (; head < end; head++)
                {
                    for (int row = 0; row < call.Count; row++)
                    {
                        Join(row, head, room.Totals + (row * (nint)shape.LatentDim));
                    }

                    _stages.Project((int)head, call.Rows, call.Count, room.Totals, shape.LatentDim, room);
                }
            }
        }

        /// <summary>The average of the latents of one row's whole context.</summary>
        private void Join(int row, nint head, float* total)
        {
            LatentAttentionShape shape = _stages.Shape;
            SegmentSoftmax<TSimd, TVector>.Sums state = default;
            int first = call.FirstChunk(row);
            for (int chunk = first; chunk < call.FirstChunk(row + 1); chunk++)
            {
                nint place = ((nint)chunk * shape.Heads) + head;
                SegmentSoftmax<TSimd, TVector>.Join(
                    ref state, total, call.Sums.States[place], call.Sums.Totals + (place * shape.LatentDim), shape.LatentDim, first: chunk == first);
            }

            SegmentSoftmax<TSimd, TVector>.End(state, total, shape.LatentDim);
        }
    }
}
