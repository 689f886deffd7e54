namespace Conclave.Kernels;

/// <summary>A worker's scratch memory for some rows and heads of <see cref="SimdAbsorbedAttention{TSimd, TVector}"/>.</summary>
internal readonly unsafe struct AbsorbedRoom<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Weight rows decoded at once: their binary32 values stay in the first-level cache.</summary>
    public const int WeightRows = 8;

    private const int Segment = LatentPages.TokensPerBlock;

    /// <summary>Divides <paramref name="memory"/>, or only says how much it would take where that is null.</summary>
    /// <param name="shape">Dimensions.</param>
    /// <param name="rows">Rows that are absorbed or projected at once.</param>
    /// <param name="heads">Heads that attend at once.</param>
    /// <param name="rowHeads">Heads of rows whose queries and sums are kept here.</param>
    /// <param name="memory">The memory.</param>
    public AbsorbedRoom(in LatentAttentionShape shape, int rows, int heads, nint rowHeads, byte* memory)
    {
        ScratchLayout layout = default;
        nint absorbed = layout.Floats(rowHeads * shape.CacheDim);
        nint totals = layout.Floats(rowHeads * shape.LatentDim);
        nint states = layout.Bytes((nint)heads * sizeof(SegmentSoftmax<TSimd, TVector>.Sums));
        nint chunkTotals = layout.Floats((nint)heads * shape.LatentDim);
        nint chunkStates = layout.Bytes((nint)heads * sizeof(SegmentSoftmax<TSimd, TVector>.Sums));
        nint queries = layout.Floats((nint)rows * shape.NopeDim);
        nint weights = layout.Floats((nint)WeightRows * shape.LatentDim);
        nint tokens = layout.Floats((nint)Segment * shape.CacheDim);
        nint scores = layout.Floats((nint)heads * Segment);
        nint part = layout.Floats((nint)OrderedProduct<TSimd, TVector>.MaxRows * shape.LatentDim);
        nint values = layout.Floats((nint)rows * shape.ValueDim);
        nint projection = layout.Bytes(TSimd.ProjectionScratch(shape.LatentDim, rows));
        Bytes = layout.Size;
        Absorbed = (float*)(memory + absorbed);
        Totals = (float*)(memory + totals);
        States = (SegmentSoftmax<TSimd, TVector>.Sums*)(memory + states);
        ChunkTotals = (float*)(memory + chunkTotals);
        ChunkStates = (SegmentSoftmax<TSimd, TVector>.Sums*)(memory + chunkStates);
        Queries = (float*)(memory + queries);
        Weights = (float*)(memory + weights);
        Tokens = (float*)(memory + tokens);
        Scores = (float*)(memory + scores);
        Part = (float*)(memory + part);
        Values = (float*)(memory + values);
        Projection = memory + projection;
    }

    /// <summary>How much memory this takes.</summary>
    public nint Bytes { get; }

    /// <summary>[rowHeads, CacheDim].</summary>
    public float* Absorbed { get; }

    /// <summary>[rowHeads, LatentDim].</summary>
    public float* Totals { get; }

    /// <summary>[heads], as the next ones are for a chunk of the context.</summary>
    public SegmentSoftmax<TSimd, TVector>.Sums* States { get; }

    public float* ChunkTotals { get; }

    public SegmentSoftmax<TSimd, TVector>.Sums* ChunkStates { get; }

    public float* Queries { get; }

    public float* Weights { get; }

    public float* Tokens { get; }

    public float* Scores { get; }

    public float* Part { get; }

    public float* Values { get; }

    public byte* Projection { get; }
}
