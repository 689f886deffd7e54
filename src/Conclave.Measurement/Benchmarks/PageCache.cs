using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Conclave.Primitives;
using Microsoft.Win32.SafeHandles;

namespace Conclave.Measurement;

/// <summary>What the kernel keeps of files in memory.</summary>
[SupportedOSPlatform("linux")]
internal static unsafe class PageCache
{
    /// <summary>
    /// Asks the kernel to drop the pages of files. It keeps those that some process has mapped and touched, and all of
    /// file systems that live in memory: <see cref="ResidentShare"/> tells.
    /// </summary>
    public static void Drop(IEnumerable<FileInfo> files)
    {
        foreach (FileInfo file in files)
        {
            using SafeFileHandle handle = File.OpenHandle(file.FullName);

            // Pages that are not on the disk yet would be kept.
            RandomAccess.FlushToDisk(handle);
            int error = LinuxMemory.Drop(handle, 0, 0);
            if (error != 0)
            {
                throw new IOException($"posix_fadvise({file.FullName}): {Marshal.GetPInvokeErrorMessage(error)}");
            }
        }
    }

    /// <summary>The share of the files' pages that are in memory (mincore), 0 … 1.</summary>
    public static double ResidentShare(IEnumerable<FileInfo> files)
    {
        long pages = 0;
        long resident = 0;
        foreach (FileInfo file in files)
        {
            using MemoryMappedFile mapping = MemoryMappedFile.CreateFromFile(file.FullName, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
            using MemoryMappedViewAccessor view = mapping.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
            nint count = (nint)((file.Length + Environment.SystemPageSize - 1) / Environment.SystemPageSize);
            using NativeBuffer flags = new(count);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            try
            {
                if (!LinuxMemory.TryFindResident(start, (nint)file.Length, flags.Data))
                {
                    throw new IOException($"mincore({file.FullName}): {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
                }
            }
            finally
            {
                view.SafeMemoryMappedViewHandle.ReleasePointer();
            }

            pages += count;
            for (nint page = 0; page < count; page++)
            {
                resident += flags.Data[page] & 1;
            }
        }

        return (double)resident / Math.Max(pages, 1);
    }
}
