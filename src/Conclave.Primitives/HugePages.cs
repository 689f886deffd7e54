namespace Conclave.Primitives;

/// <summary>
/// Pages of 2 MiB in place of 4 KiB. Weights are more than what a core remembers the addresses of, and are read once per step: see "Huge pages" in docs/benchmarks.md for what that is worth.
/// </summary>
public static unsafe class HugePages
{
    /// <summary>Bytes of a huge page, and what its address is a multiple of.</summary>
    public const nint Size = 2 << 20;

    /// <summary>
    /// Asks for huge pages wherever they fit between <paramref name="start"/> and <paramref name="bytes"/> later (madvise, MADV_HUGEPAGE): memory gets them when it is first
    /// written, a mapped file when it is read from the disk, where kernel and file system can. Elsewhere than on Linux this does nothing.
    /// </summary>
    public static void Request(void* start, nint bytes)
    {
        nint first = ((nint)start + Size - 1) & -Size;
        nint end = ((nint)start + bytes) & -Size;
        if (first < end)
        {
            LinuxMemory.TryAdvise((void*)first, end - first, MemoryAdvice.HugePage);
        }
    }
}
