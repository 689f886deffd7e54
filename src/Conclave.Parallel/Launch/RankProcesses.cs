using System.Diagnostics;
using Conclave.Primitives;

namespace Conclave.Parallel.Launch;

/// <summary>Ranks as child processes of this one. What they write to standard error is passed on with their number before each line; standard output is the leader's alone.</summary>
public sealed class RankProcesses : LaunchedProcesses
{
    private readonly List<Process> _processes = [];
    private readonly CountdownEvent _running;

    /// <summary>Starts ranks.</summary>
    /// <param name="program">The program and its first arguments; behind them come the socket, the rank and the command.</param>
    /// <param name="socketPath">Where the coordinator listens.</param>
    /// <param name="ranks">Which ranks.</param>
    /// <param name="areAll">Whether the world has no others, on other hosts.</param>
    /// <param name="command">What the leader runs.</param>
    /// <param name="log">Where lines go.</param>
    /// <param name="ended">Is told each rank that ended and its exit code, from any thread.</param>
    /// <exception cref="UserErrorException">This machine has no <c>setsid</c>.</exception>
    public RankProcesses(
        IReadOnlyList<string> program, string socketPath, IReadOnlyCollection<int> ranks, bool areAll, IReadOnlyList<string> command, TextWriter log, Action<int, int> ended)
    {
        _running = new CountdownEvent(ranks.Count);
        string? memory = ControlFolder.MakeMemory(socketPath);
        TextWriter lines = TextWriter.Synchronized(log);
        try
        {
            foreach (int rank in ranks)
            {
                string[] arguments = [.. program, "rank", "--control", socketPath, "--rank", $"{rank}", "--", .. command];
                Process process = new() { StartInfo = InOwnSession(arguments), EnableRaisingEvents = true };
                process.StartInfo.RedirectStandardError = true;
                process.StartInfo.RedirectStandardOutput = rank != 0;

                // Pipes and sockets for debuggers, which a rank that is killed would leave in the temporary folder.
                process.StartInfo.Environment.TryAdd("DOTNET_EnableDiagnostics", "0");
                if (memory is not null)
                {
                    process.StartInfo.Environment.TryAdd("UCX_POSIX_DIR", memory);
                }

                if (areAll)
                {
                    // UCX, which would listen on every interface, believes whoever speaks to it.
                    process.StartInfo.Environment.TryAdd("UCX_NET_DEVICES", "lo");
                }

                void Pass(string? line)
                {
                    if (line is not null)
                    {
                        lines.WriteLine($"[rank {rank}] {line}");
                    }
                }

                process.ErrorDataReceived += (_, line) => Pass(line.Data);
                process.OutputDataReceived += (_, line) => Pass(line.Data);
                process.Exited += (_, _) =>
                {
                    ended(rank, process.ExitCode);
                    _running.Signal();
                };
                Start(process);
                _processes.Add(process);
                process.BeginErrorReadLine();
                if (rank != 0)
                {
                    process.BeginOutputReadLine();
                }
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override bool WaitForExit(TimeSpan atMost, CancellationToken cancellation)
    {
        if (!_running.Wait(atMost, cancellation))
        {
            return false;
        }

        // Also until the last lines have come.
        _processes.ForEach(process => process.WaitForExit());
        return true;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        foreach (Process process in _processes)
        {
            // It may end meanwhile, which Kill allows.
            process.Kill(entireProcessTree: false);
        }

        foreach (Process process in _processes)
        {
            process.WaitForExit();
            process.Dispose();
        }

        _running.Dispose();
    }
}
