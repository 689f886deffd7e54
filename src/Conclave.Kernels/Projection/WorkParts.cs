namespace Conclave.Kernels;

/// <summary>
/// How the weight rows of an operator are cut into parts that workers take one after the other, so that one whose core has busy neighbours takes fewer; who
/// computes a row never changes its bits. Parts grow smaller (trapezoid self-scheduling, Tzeng and Ni 1993), for the last ones decide how long workers wait
/// for each other.
/// </summary>
internal readonly struct WorkParts
{
    // A part takes tens of microseconds on the average, against which taking it and preparing inputs for it are little: of many inputs that is more.
    private const nint BytesForFewInputs = 256 << 10;
    private const nint BytesForManyInputs = 512 << 10;
    private const int FewInputs = 4;

    // Whole register tiles; for many inputs half of the rows that usually have the same scales, since inputs are scaled for each block that is begun.
    private const int RowsTogether = 8;
    private const int RowsTogetherForManyInputs = 64;
    private const int RowsOfLongMatrix = 1024;
    private const int MostForAWorker = 16;

    private readonly bool _even;

    /// <summary>Chooses the number of parts.</summary>
    /// <param name="weightBytes">What is read in all.</param>
    /// <param name="inputs">Inputs of a matrix.</param>
    /// <param name="workers">Who shares the parts.</param>
    /// <param name="most">Most parts that can be made.</param>
    public WorkParts(nint weightBytes, nint inputs, int workers, int most = int.MaxValue)
    {
        // As many for each worker: one part more than that would keep one of them busy while the others wait.
        nint bytes = inputs <= FewInputs ? BytesForFewInputs : BytesForManyInputs;
        nint forEach = workers == 1 ? 1 : nint.Clamp(((weightBytes / bytes) + workers - 1) / workers, 1, MostForAWorker);
        Count = int.Min(most, (int)forEach * workers);
        _even = Count < 2 * workers;
    }

    /// <summary>Parts begin at rows that this divides.</summary>
    /// <param name="rows">Weight rows of a matrix.</param>
    /// <param name="inputs">Its inputs.</param>
    public static int Together(nint rows, nint inputs) => inputs > FewInputs && rows >= RowsOfLongMatrix ? RowsTogetherForManyInputs : RowsTogether;

    /// <summary>The number of parts.</summary>
    public int Count { get; }

    /// <summary>The items of a part from First up to End. With two parts or more for each worker, sizes fall linearly.</summary>
    public (nint First, nint End) Of(nint items, int part) =>
        _even ? WorkRange.Of(items, part, Count) : (items - Left(items, part), items - Left(items, part + 1));

    private nint Left(nint items, int part) => items * (Count - part) / Count * (Count - part) / Count;
}
