using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Conclave.Primitives;

/// <summary>What the system may do with pages (Linux, madvise).</summary>
public enum MemoryAdvice
{
    /// <summary>MADV_DONTNEED: take them out of the process's tables.</summary>
    DontNeed = 4,

    /// <summary>MADV_HUGEPAGE: back them with huge pages where it can.</summary>
    HugePage = 14,

    /// <summary>MADV_COLD: let them go first where memory is short.</summary>
    Cold = 20,

    /// <summary>MADV_POPULATE_READ: read them and enter them in the process's tables.</summary>
    PopulateRead = 22,

    /// <summary>MADV_COLLAPSE: copy them together to huge pages.</summary>
    Collapse = 25,
}

/// <summary>The memory of a process and what the system keeps of files, by Linux's own calls.</summary>
public static unsafe partial class LinuxMemory
{
    private const int DropFromCache = 4;

    /// <summary>Gives an advice (madvise). False where the system does not take it, and on other systems.</summary>
    public static bool TryAdvise(void* start, nint bytes, MemoryAdvice advice) => OperatingSystem.IsLinux() && Advise(start, bytes, (int)advice) == 0;

    /// <summary>Asks for the pages of a file to leave the system's cache (posix_fadvise, POSIX_FADV_DONTNEED).</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">Its first byte that may leave.</param>
    /// <param name="bytes">How many; 0: up to the end.</param>
    /// <returns>0, or the number of the error.</returns>
    public static int Drop(SafeFileHandle file, long offset, long bytes) => AdviseFile(file, offset, bytes, DropFromCache);

    /// <summary>Tells which pages of a mapping are in memory (mincore).</summary>
    /// <param name="start">The first byte of a page.</param>
    /// <param name="bytes">How many bytes follow.</param>
    /// <param name="pages">Receives a byte for each page whose lowest bit tells it; the others are reserved.</param>
    /// <returns>False where the call fails; <see cref="Marshal.GetLastPInvokeError"/> says why.</returns>
    public static bool TryFindResident(byte* start, nint bytes, byte* pages) => InCore(start, bytes, pages) == 0;

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nint bytes, int advice);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int AdviseFile(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport("libc", EntryPoint = "mincore", SetLastError = true)]
    private static partial int InCore(byte* address, nint length, byte* pages);
}
