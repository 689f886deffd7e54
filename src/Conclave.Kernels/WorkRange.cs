namespace Conclave.Kernels;

/// <summary>Even division of items over workers, or over ranks.</summary>
public static class WorkRange
{
    /// <summary>The items from First up to End that belong to one worker; sizes differ by one at most. Worker <paramref name="workers"/> would begin behind the last item.</summary>
    /// <param name="items">How many there are; not negative.</param>
    /// <param name="worker">Which worker, from 0.</param>
    /// <param name="workers">How many share them.</param>
    /// <exception cref="DivideByZeroException">There are no workers.</exception>
    public static (nint First, nint End) Of(nint items, int worker, int workers)
    {
        (nint size, nint rest) = Math.DivRem(items, workers);
        nint first = (worker * size) + nint.Min(worker, rest);
        return (first, first + size + (worker < rest ? 1 : 0));
    }
}
