using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>The pages of a mapped file that weights lie in.</summary>
public static unsafe class MappedPages
{
    private static readonly nint PageSize = Environment.SystemPageSize;

    /// <summary>
    /// Reads a weight into memory and enters its pages in the process's tables, so that its first use neither waits for the disk nor faults (madvise, MADV_POPULATE_READ). Returns when that is done.
    /// </summary>
    public static void Load(TensorView weight)
    {
        nint start = (nint)weight.Data & -PageSize;
        nint end = (nint)weight.Data + weight.ByteLength;
        if (TryAdvise(start, end, MemoryAdvice.PopulateRead))
        {
            return;
        }

        // Linux before 5.14, or another system.
        for (nint page = start; page < end; page += PageSize)
        {
            _ = Volatile.Read(ref *(byte*)Math.Max(page, (nint)weight.Data));
        }
    }

    /// <summary>
    /// Tells the system that a weight will not be used soon (madvise, MADV_COLD): where memory is short, its pages go first; where it is not, they stay. Pages that it shares with its
    /// neighbours are left alone.
    /// </summary>
    public static void Release(TensorView weight)
    {
        nint start = ((nint)weight.Data + PageSize - 1) & -PageSize;
        _ = TryAdvise(start, ((nint)weight.Data + weight.ByteLength) & -PageSize, MemoryAdvice.Cold);
    }

    /// <summary>Whether the system takes an advice on the pages from <paramref name="start"/> on, or there are none.</summary>
    private static bool TryAdvise(nint start, nint end, MemoryAdvice advice) => end <= start || LinuxMemory.TryAdvise((void*)start, end - start, advice);
}
