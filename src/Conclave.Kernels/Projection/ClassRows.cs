namespace Conclave.Kernels;

/// <summary>Weight rows that a <see cref="IProjectionLoops.ClassTile"/> reads, and what it asks memory for meanwhile.</summary>
internal readonly unsafe struct ClassRows(byte* weights, nint rowBytes, int rows, nint groups, byte* tails, byte* ahead, nint step)
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

/// <summary>What a <see cref="IProjectionLoops.ClassTile"/> leaves for the next classes or the next segment, and its own room.</summary>
internal readonly unsafe struct ClassSums(float* lanes, float* held, ulong* small, float* reduced)
{
    /// <summary>Most groups of a segment.</summary>
    public const int MostGroups = 64;

    /// <summary>Unfinished sums: four rows after four rows, of these input after input, of each of them a vector for each row.</summary>
    public float* Lanes => lanes;

    /// <summary>As many sums of a class whose turn has not come.</summary>
    public float* Held => held;

    /// <summary>For each of <see cref="MostGroups"/> groups of each row a bit for each of its weights: whether it, or the same one of a row that is computed together with this, must be decoded on the long way. The first classes find out.</summary>
    public ulong* Small => small;

    /// <summary>Room for a vector of each input.</summary>
    public float* Reduced => reduced;
}
