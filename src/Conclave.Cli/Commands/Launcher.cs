using Conclave.Cli.Frame;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>Starts the ranks of a launch, waits for their end, and ends all where one fails.</summary>
internal sealed class Launcher : IDisposable
{
    // Rank 0 answers who waits for it before it is ended.
    private static readonly TimeSpan LastWords = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan SignalComesWithin = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LeaveWithin = TimeSpan.FromSeconds(30);

    // A server has answers to finish. Others end after the step that is under way, unless a rank hangs.
    private static readonly TimeSpan StopsWithin = TimeSpan.FromSeconds(5);

    private readonly WorldPlan _plan;
    private readonly string[] _command;
    private readonly TextWriter _output;
    private readonly Coordinator _coordinator;

    /// <summary>Listens for ranks.</summary>
    /// <param name="plan">The world.</param>
    /// <param name="command">What rank 0 runs.</param>
    /// <param name="output">Standard output, for ranks in this process.</param>
    public Launcher(WorldPlan plan, string[] command, TextWriter output)
    {
        _plan = plan;
        _command = command;
        _output = output;
        _coordinator = new Coordinator(plan, line => Console.Error.WriteLine($"warning: {Terminal.Printable(line)}"));
    }

    /// <summary>What the ranks told at their end.</summary>
    public IReadOnlyList<RankReport?> Reports => _coordinator.Reports;

    /// <summary>Runs the ranks as threads of this process.</summary>
    /// <returns>The exit code of the command.</returns>
    /// <exception cref="RankFailedException">A rank failed.</exception>
    public int RunThreads(CancellationToken cancellation)
    {
        int code = 0;
        try
        {
            InProcessLaunch.Run(_coordinator, _plan, (connection, endpoints) => code = LedCommand.Run(connection, endpoints, _command, _output, cancellation));
        }
        catch (Exception e) when (e is not UserErrorException && Failure() is { } failure)
        {
            throw new RankFailedException(failure.Cause, e);
        }

        // The last words may still be on their way.
        _coordinator.Ended.Wait(LeaveWithin, CancellationToken.None);
        return Failure() is { } late ? throw new RankFailedException(late.Cause) : code;
    }

    /// <summary>Runs the ranks as processes. Where it is cancelled rank 0 is asked to end; at the next signal all are killed.</summary>
    /// <returns>The exit code of rank 0.</returns>
    /// <exception cref="RankFailedException">A rank failed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public int RunProcesses(CancellationToken cancellation)
    {
        using SecondSignal second = new(cancellation);
        using CancellationTokenSource kill = CancellationTokenSource.CreateLinkedTokenSource(second.Token);
        using LaunchedProcesses processes = Start();
        using CancellationTokenRegistration stop = cancellation.Register(() =>
        {
            if (!_coordinator.TryStop())
            {
                kill.Cancel();
            }
            else if (_command[0] != "serve")
            {
                kill.CancelAfter(StopsWithin);
            }
        });
        _coordinator.Ended.Wait(kill.Token);
        if (Failure() is { } failure)
        {
            processes.WaitForExit(LastWords, kill.Token);

            // Who stops a service or a container signals every process in it: a rank that just starts dies of that, maybe before this process has heard of it.
            if (!_coordinator.HasStarted && cancellation.WaitHandle.WaitOne(SignalComesWithin))
            {
                throw new OperationCanceledException(cancellation);
            }

            throw new RankFailedException(failure.Cause);
        }

        if (!_coordinator.LeaderEnded.Wait(LeaveWithin, kill.Token) || !processes.WaitForExit(LeaveWithin, kill.Token))
        {
            throw new RankFailedException($"not all ranks ended within {LeaveWithin.TotalSeconds:0} s of their last word");
        }

        int code = _coordinator.LeaderEnded.GetAwaiter().GetResult();
        if (code != 0)
        {
            cancellation.ThrowIfCancellationRequested();
        }

        return code;
    }

    /// <inheritdoc/>
    public void Dispose() => _coordinator.Dispose();

    private LaunchFailure? Failure() => _coordinator.Ended.IsCompleted ? _coordinator.Ended.GetAwaiter().GetResult() : null;

    private LaunchedProcesses Start() => _plan.Hosts == 1
        ? new RankProcesses(
            ThisProgram.Command, _coordinator.SocketPath, [.. Enumerable.Range(0, _plan.Ranks)], areAll: true, _command, Console.Error, _coordinator.RankEnded)
        : new HostsScript(FindHosts(), _plan.Hosts, ThisProgram.Command, _coordinator.SocketPath, _command, _coordinator.HostsEnded);

    private static string FindHosts()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string script = Path.Combine(folder.FullName, "scripts", "hosts");
            if (File.Exists(script))
            {
                return script;
            }
        }

        throw new UserErrorException($"--hosts: scripts/hosts was not found above {AppContext.BaseDirectory}; it is in Conclave's repository only");
    }
}
