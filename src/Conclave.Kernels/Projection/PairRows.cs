namespace Conclave.Kernels;

/// <summary>Weight rows that a <see cref="IProjectionLoops.PairTile"/> reads, and what it asks memory for meanwhile.</summary>
internal readonly unsafe struct PairRows(byte* weights, nint rowBytes, int rows, nint groups, byte* tails, byte* ahead, nint step)
{
    /// <summary>The first row, from a whole group on.</summary>
    public byte* Weights => weights;

    /// <summary>How far rows are apart.</summary>
    public nint RowBytes => rowBytes;

    /// <summary>How many rows.</summary>
    public int Rows => rows;

    /// <summary>Whole groups of each row.</summary>
    public nint Groups => groups;

    /// <summary>The last, partial group of each row, a group's bytes apart, or null.</summary>
    public byte* Tails => tails;

    /// <summary>Weights that are needed soon.</summary>
    public byte* Ahead => ahead;

    /// <summary>How many bytes of those are asked for with every group of a row.</summary>
    public nint Step => step;
}

/// <summary>What a <see cref="IProjectionLoops.PairTile"/> leaves for the next pair of classes or the next segment.</summary>
internal readonly unsafe struct PairSums(float* lanes, float* held, ulong* reduced)
{
    /// <summary>Unfinished sums: four rows after four rows, of these input after input, of each of them a vector for each row.</summary>
    public float* Lanes => lanes;

    /// <summary>As many sums of a class whose turn has not come.</summary>
    public float* Held => held;

    /// <summary>For each row, the groups in which the first pair found weights that must be decoded on the long way, a bit each: a segment has at most 64.</summary>
    public ulong* Reduced => reduced;
}
