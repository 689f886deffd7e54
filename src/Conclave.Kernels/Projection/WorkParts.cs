namespace Conclave.Kernels;

/// <summary>
/// How many parts the weight rows of an operator are cut into. Workers take one part after the other, so that one whose core has busy neighbours takes
/// fewer; who computes a row never changes its bits.
/// </summary>
internal static class WorkParts
{
    // A part takes tens of microseconds at least, against which taking it and preparing inputs for it are little.
    private const nint BytesForFewInputs = 256 << 10;
    private const nint BytesForManyInputs = 1 << 20;
    private const int FewInputs = 16;
    private const int MostForAWorker = 16;

    /// <summary>The number of parts.</summary>
    /// <param name="weightBytes">What is read in all.</param>
    /// <param name="inputs">Inputs of a matrix.</param>
    /// <param name="workers">Who shares the parts.</param>
    public static int Count(nint weightBytes, nint inputs, int workers)
    {
        if (workers == 1)
        {
            return 1;
        }

        // As many for each worker: one part more than that would keep one of them busy while the others wait.
        nint bytes = inputs <= FewInputs ? BytesForFewInputs : BytesForManyInputs;
        nint forEach = ((weightBytes / bytes) + workers - 1) / workers;
        return (int)nint.Clamp(forEach, 1, MostForAWorker) * workers;
    }
}
