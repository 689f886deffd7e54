using System.ComponentModel;
using System.Diagnostics;
using Conclave.Primitives;

namespace Conclave.Parallel.Launch;

/// <summary>Processes that a launch has started. Disposing ends those that still run.</summary>
public abstract class LaunchedProcesses : IDisposable
{
    private const string OwnSession = "setsid";
    private const int NoSuchFile = 2;

    /// <summary>Waits until all have ended and everything that they wrote is passed on; false where that takes longer.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public abstract bool WaitForExit(TimeSpan atMost, CancellationToken cancellation);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>How a program is started in a session of its own: Ctrl-C is the launcher's, who ends the ranks in their order.</summary>
    protected static ProcessStartInfo InOwnSession(string[] program) => new(OwnSession, program) { UseShellExecute = false };

    /// <summary>Starts a process that is to have a session of its own.</summary>
    /// <exception cref="UserErrorException">This machine lacks the command for it.</exception>
    protected static void Start(Process process)
    {
        try
        {
            process.Start();
        }
        catch (Win32Exception e) when (e.NativeErrorCode == NoSuchFile)
        {
            throw new UserErrorException($"{OwnSession}: ranks are started with this command, and it was not found in PATH; install util-linux", e);
        }
    }

    /// <summary>Ends what still runs.</summary>
    protected abstract void Dispose(bool disposing);
}
