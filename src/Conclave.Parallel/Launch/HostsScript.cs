using System.Diagnostics;
using System.Runtime.InteropServices;
using Conclave.Primitives;

namespace Conclave.Parallel.Launch;

/// <summary>Ranks on "hosts" of this machine, which scripts/hosts makes: an agent on each starts those of its host.</summary>
public sealed partial class HostsScript : LaunchedProcesses
{
    /// <summary>The most hosts that the script makes.</summary>
    public const int MostHosts = 99;

    private const int SigTerm = 15;

    private readonly Process _process;

    /// <summary>Starts the agents.</summary>
    /// <param name="script">scripts/hosts.</param>
    /// <param name="hosts">How many.</param>
    /// <param name="program">The program and its first arguments; behind them come the socket and the command.</param>
    /// <param name="socketPath">Where the coordinator listens.</param>
    /// <param name="command">What the leader runs.</param>
    /// <param name="ended">Is told the script's exit code, from another thread.</param>
    /// <exception cref="UserErrorException">Only root may, or this machine has no <c>setsid</c>.</exception>
    public HostsScript(string script, int hosts, IReadOnlyList<string> program, string socketPath, IReadOnlyList<string> command, Action<int> ended)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new UserErrorException($"--hosts {hosts}: hosts of one machine are network namespaces, which only root may make; run it with sudo, or without --hosts");
        }

        string[] arguments = [script, $"{hosts}", "--", .. program, "host", "--control", socketPath, "--", .. command];
        _process = new Process { StartInfo = InOwnSession(arguments), EnableRaisingEvents = true };
        _process.Exited += (_, _) => ended(_process.ExitCode);
        Start(_process);
    }

    /// <inheritdoc/>
    public override bool WaitForExit(TimeSpan atMost, CancellationToken cancellation) => _process.WaitForExitAsync(CancellationToken.None).Wait(atMost, cancellation);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!_process.HasExited)
        {
            // It takes its namespaces down.
            _ = Kill(_process.Id, SigTerm);
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
