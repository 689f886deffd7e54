using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Conclave.Primitives;

/// <summary>How many files, sockets and pipes this process may have open.</summary>
public static partial class OpenFileLimit
{
    // EMFILE of Linux and macOS.
    private const int TooManyFiles = 24;
    private const long Ample = 8192;
    private const int LinuxResource = 7;
    private const int MacResource = 8;

    /// <summary>Says what is wrong where an error is that there are too many; null where it is another.</summary>
    public static string? Explain(Exception error)
    {
        for (Exception? cause = error; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException { SocketErrorCode: SocketError.TooManyOpenSockets }
                || (cause is Win32Exception { NativeErrorCode: TooManyFiles } or IOException { HResult: TooManyFiles } && !OperatingSystem.IsWindows()))
            {
                return Sentence;
            }
        }

        return null;
    }

    /// <summary>Checks that a process may have as many as it needs at least.</summary>
    /// <exception cref="IOException">It may not.</exception>
    public static void Require(long least)
    {
        if (Limit < least)
        {
            throw new IOException(Sentence, TooManyFiles);
        }
    }

    private static string Sentence => $"too many open files: this process may have {Limit} at a time; raise the limit, such as by 'ulimit -n {Math.Max(Ample, 2 * Limit)}', and start again";

    private static long Limit =>
        OperatingSystem.IsWindows() || Read(OperatingSystem.IsMacOS() ? MacResource : LinuxResource, out Limits limits) != 0 ? long.MaxValue : (long)Math.Min(limits.Current, long.MaxValue);

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int Read(int resource, out Limits limits);

    [StructLayout(LayoutKind.Sequential)]
    private struct Limits
    {
        public ulong Current;
        public ulong Most;
    }
}
