using System.Runtime.InteropServices;

namespace Conclave.Kernels;

/// <summary>Which cores a thread may run on. Known on Linux; elsewhere no core is named and nothing is pinned.</summary>
internal static unsafe partial class ThreadAffinity
{
    // Room for 8,192 cores; the kernel refuses masks shorter than its own.
    private const int MaskWords = 128;
    private const int BitsOfWord = 64;

    /// <summary>The cores that the calling thread may use; empty where that is not known.</summary>
    public static int[] AllowedCores()
    {
        if (!OperatingSystem.IsLinux())
        {
            return [];
        }

        ulong* mask = stackalloc ulong[MaskWords];
        new Span<ulong>(mask, MaskWords).Clear();
        if (GetAffinity(0, MaskWords * sizeof(ulong), mask) < 0)
        {
            return [];
        }

        List<int> cores = [];
        for (int core = 0; core < MaskWords * BitsOfWord; core++)
        {
            if ((mask[core / BitsOfWord] >> (core % BitsOfWord) & 1) != 0)
            {
                cores.Add(core);
            }
        }

        return [.. cores];
    }

    /// <summary>Binds the calling thread to one core that <see cref="AllowedCores"/> named. A refusal leaves the thread free, which is slower at worst.</summary>
    public static void Pin(int core)
    {
        ulong* mask = stackalloc ulong[MaskWords];
        new Span<ulong>(mask, MaskWords).Clear();
        mask[core / BitsOfWord] = 1ul << (core % BitsOfWord);
        _ = SetAffinity(0, MaskWords * sizeof(ulong), mask);
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int thread, nint bytes, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nint bytes, ulong* mask);
}
