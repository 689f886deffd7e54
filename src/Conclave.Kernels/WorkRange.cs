namespace Conclave.Kernels;

/// <summary>Even division of items over workers.</summary>
internal static class WorkRange
{
    /// <summary>The items from First up to End that belong to one worker; sizes differ by one at most.</summary>
    public static (nint First, nint End) Of(nint items, int worker, int workers)
    {
        (nint size, nint rest) = Math.DivRem(items, workers);
        nint first = (worker * size) + nint.Min(worker, rest);
        return (first, first + size + (worker < rest ? 1 : 0));
    }
}
