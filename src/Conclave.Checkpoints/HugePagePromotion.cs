using System.Runtime.InteropServices;
using Conclave.Primitives;
using Microsoft.Win32.SafeHandles;

namespace Conclave.Checkpoints;

/// <summary>
/// Turns the small pages in which a mapped file lies in the system's cache into huge ones, while it is in use. A file that was written or read in small pieces lies there so,
/// and stays so for every process that maps it; what is not in the cache is left alone, since reading it brings huge pages by itself (<see cref="HugePages.Request"/>).
/// </summary>
/// <remarks>
/// The system copies the pages together where it can (madvise, MADV_COLLAPSE: Linux 6.1, CONFIG_READ_ONLY_THP_FOR_FS). Where it cannot but the file system keeps huge pages, they
/// are dropped and read again from the disk; a reader of the mapping waits for that meanwhile, and never sees other bytes. If the first few come back small, nothing more is tried.
/// </remarks>
internal static unsafe partial class HugePagePromotion
{
    private const uint WriteAndWait = 7;
    private const int Trials = 8;

    // linux/fs.h: PAGEMAP_SCAN, PAGE_IS_HUGE.
    private const nuint PagemapScan = 0xC0606610;
    private const ulong IsHuge = 1 << 6;

    /// <summary>Promotes a mapping, huge page after huge page.</summary>
    /// <param name="path">The file.</param>
    /// <param name="start">Where its first byte is mapped.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="stayMapped">Whether pages stay mapped here; false: who uses one maps it again, from the cache.</param>
    /// <param name="cancellation">Stops between two pages.</param>
    /// <returns>How many huge pages came into being.</returns>
    public static int Run(string path, byte* start, long length, bool stayMapped, CancellationToken cancellation)
    {
        // A huge page begins at a multiple of its size in the file as well as in memory.
        if (!OperatingSystem.IsLinux() || (nint)start % HugePages.Size != 0)
        {
            return 0;
        }

        int promoted = 0;
        int failed = 0;
        using SafeFileHandle file = File.OpenHandle(path);
        using SafeFileHandle pagemap = File.OpenHandle("/proc/self/pagemap");
        for (nint offset = 0; offset + HugePages.Size <= length && !cancellation.IsCancellationRequested; offset += HugePages.Size)
        {
            byte* page = start + offset;
            if (!IsCached(page) || !Advise(page, MemoryAdvice.PopulateRead))
            {
                continue;
            }

            bool? isHuge = IsOneHugePage(pagemap, page);
            if (isHuge != true)
            {
                bool done = Advise(page, MemoryAdvice.Collapse) || (isHuge == false && ReadAgain(file, offset, pagemap, page));
                promoted += done ? 1 : 0;
                failed += done ? 0 : 1;
            }

            if (!stayMapped)
            {
                Advise(page, MemoryAdvice.DontNeed);
            }

            if (failed == Trials && promoted == 0)
            {
                break;
            }
        }

        return promoted;
    }

    private static bool Advise(byte* page, MemoryAdvice advice) => LinuxMemory.TryAdvise(page, HugePages.Size, advice);

    /// <summary>Whether all of it is in the system's cache.</summary>
    private static bool IsCached(byte* page)
    {
        int count = (int)(HugePages.Size / Environment.SystemPageSize);
        byte* flags = stackalloc byte[count];
        if (!LinuxMemory.TryFindResident(page, HugePages.Size, flags))
        {
            return false;
        }

        for (int i = 0; i < count; i++)
        {
            if ((flags[i] & 1) == 0)
            {
                return false;
            }
        }

        return true;
    }

    private static bool ReadAgain(SafeFileHandle file, nint offset, SafeFileHandle pagemap, byte* page)
    {
        // Pages stay in the cache while they are mapped, and while they are not on the disk yet.
        if (!Advise(page, MemoryAdvice.DontNeed) || SyncRange(file, offset, HugePages.Size, WriteAndWait) != 0 || LinuxMemory.Drop(file, offset, HugePages.Size) != 0)
        {
            return false;
        }

        return Advise(page, MemoryAdvice.PopulateRead) && IsOneHugePage(pagemap, page) == true;
    }

    /// <summary>Whether that range is mapped as one huge page; null where the system does not tell (before Linux 6.7).</summary>
    private static bool? IsOneHugePage(SafeFileHandle pagemap, byte* page)
    {
        PageRegion region = default;
        ScanArguments arguments = new()
        {
            Size = (ulong)sizeof(ScanArguments), Start = (ulong)page, End = (ulong)page + (ulong)HugePages.Size, Regions = &region, RegionCount = 1,
            CategoryMask = IsHuge, ReturnMask = IsHuge,
        };
        int found = Control(pagemap, PagemapScan, &arguments);
        return found < 0 ? null : found == 1 && region.Start == arguments.Start && region.End == arguments.End;
    }

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    private static partial int SyncRange(SafeFileHandle file, long offset, long length, uint flags);

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int Control(SafeFileHandle file, nuint request, ScanArguments* arguments);

    /// <summary>struct page_region.</summary>
    private struct PageRegion
    {
        public ulong Start;
        public ulong End;
        public ulong Categories;
    }

    /// <summary>struct pm_scan_arg.</summary>
    private struct ScanArguments
    {
        public ulong Size;
        public ulong Flags;
        public ulong Start;
        public ulong End;
        public ulong WalkEnd;
        public PageRegion* Regions;
        public ulong RegionCount;
        public ulong MostPages;
        public ulong CategoryInverted;
        public ulong CategoryMask;
        public ulong CategoryAnyOf;
        public ulong ReturnMask;
    }
}
