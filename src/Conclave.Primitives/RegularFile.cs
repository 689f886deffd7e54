using System.Runtime.InteropServices;

namespace Conclave.Primitives;

/// <summary>Tells files from pipes, devices and sockets, without opening them.</summary>
public static unsafe partial class RegularFile
{
    // linux/stat.h and linux/fcntl.h: STATX_TYPE, AT_FDCWD, S_IFMT, S_IFREG, and where struct statx has its mode on every processor.
    private const uint Type = 1;
    private const int CurrentFolder = -100;
    private const int TypeBits = 0xF000;
    private const int Regular = 0x8000;
    private const int StatusBytes = 256;
    private const int ModeAt = 28;

    /// <summary>Whether a path leads to a regular file, through links too. True where the system does not tell (before Linux 4.11, other systems).</summary>
    public static bool Is(string path)
    {
        byte* status = stackalloc byte[StatusBytes];
        return !OperatingSystem.IsLinux() || Status(CurrentFolder, path, 0, Type, status) != 0 || (*(ushort*)(status + ModeAt) & TypeBits) == Regular;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(int folder, string path, int flags, uint mask, byte* status);
}
