using System.Runtime.InteropServices;
using Conclave.Primitives;

namespace Conclave.Transport.Ucx;

/// <summary>Loads UCX, once, with the settings that the transport depends on.</summary>
internal static partial class UcxLibrary
{
    /// <summary>Its name as Debian's package libucx0 installs it.</summary>
    public const string Name = "libucp.so.0";

    private static readonly Lazy<bool> Loaded = new(Load);

    /// <summary>Loads the library unless that was done.</summary>
    /// <exception cref="UserErrorException">UCX is not installed.</exception>
    public static void Require()
    {
        if (!Loaded.Value)
        {
            throw new UserErrorException($"UCX, which moves data between processes, is not installed: {Name} was not found; install it, on Debian by 'apt-get install libucx0'");
        }
    }

    private static bool Load()
    {
        // UCX reads them as it is loaded, from libc's environment, which Environment.SetEnvironmentVariable does not change.
        // Its handlers of SIGSEGV would end the process where .NET throws a NullReferenceException.
        Set("UCX_HANDLE_ERRORS", "none", overwrite: true);

        // UCX would write jumps of 12 bytes over the beginnings of mmap, munmap and madvise (1.13 does); a thread that is inside one of them then returns into the middle of a jump. It does
        // this to hear when registered memory goes, and messages that are not registered need no such thing.
        Set("UCX_MEM_EVENTS", "n", overwrite: true);

        // Shared memory would be left out of endpoints that report failures.
        Set("UCX_POSIX_ERROR_HANDLING", "y", overwrite: true);

        // Rendezvous can hang when a peer dies; messages are bounded and their receives posted.
        Set("UCX_RNDV_THRESH", "inf", overwrite: true);

        // Fragments over several links could complete out of order.
        Set("UCX_MAX_EAGER_RAILS", "1", overwrite: true);
        Set("UCX_KEEPALIVE_INTERVAL", "100ms", overwrite: false);
        Set("UCX_TCP_TX_SEG_SIZE", "80K", overwrite: false);
        Set("UCX_TCP_RX_SEG_SIZE", "160K", overwrite: false);

        // A peer's death is reported as a value; standard output belongs to the program.
        Set("UCX_LOG_LEVEL", "fatal", overwrite: false);

        // The signal (by default SIGHUP) that would turn its log on for good.
        Set("UCX_DEBUG_SIGNO", "0", overwrite: false);
        Set("UCX_WARN_UNUSED_ENV_VARS", "n", overwrite: false);
        return NativeLibrary.TryLoad(Name, out _);
    }

    private static void Set(string name, string value, bool overwrite) => _ = SetEnvironment(name, value, overwrite ? 1 : 0);

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
