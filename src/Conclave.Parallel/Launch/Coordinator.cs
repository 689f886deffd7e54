using System.Diagnostics;
using System.Text;

namespace Conclave.Parallel.Launch;

/// <summary>
/// The launcher's part of the control channel: lets the ranks meet, passes the leader's word to the others, and finds the first cause where one of them fails. What ranks
/// send is checked; whoever sends something else has failed. No tensor passes through it.
/// </summary>
public sealed class Coordinator : IDisposable
{
    private static readonly TimeSpan MeetWithin = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Watch = TimeSpan.FromSeconds(1);

    private readonly WorldPlan _plan;
    private readonly Action<string> _log;
    private readonly TimeSpan _silence;
    private readonly ControlListener _listener;
    private readonly Timer _watch;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly FirstCause _end;
    private readonly TaskCompletionSource<int> _leaderEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Guards what follows.
    private readonly Lock _gate = new();
    private readonly LaunchMember[] _members;
    private readonly List<ControlChannel> _hosts = [];
    private LoadSum? _loads;
    private bool _welcomed;
    private bool _opening;
    private bool _addressed;
    private volatile bool _running;

    /// <summary>Listens for the ranks.</summary>
    /// <param name="plan">The world.</param>
    /// <param name="log">Is told what was refused and what ranks warn of, from any thread.</param>
    /// <param name="silence">After so long without a word a rank has failed; null: 30 seconds.</param>
    public Coordinator(WorldPlan plan, Action<string> log, TimeSpan? silence = null)
    {
        _plan = plan;
        _log = log;
        _silence = silence ?? TimeSpan.FromSeconds(30);
        _members = [.. Enumerable.Range(0, plan.Ranks).Select(_ => new LaunchMember())];
        _end = new FirstCause(_gate, TellAll);
        _watch = new Timer(_ => LookForSilence(), null, Watch, Watch);
        _listener = new ControlListener(Serve, log, NoteNobodyCanConnect);
    }

    /// <summary>Where it listens: a Unix domain socket that only this user can reach.</summary>
    public string SocketPath => _listener.SocketPath;

    /// <summary>Ends when all ranks have left, with null, or when one has failed.</summary>
    public Task<LaunchFailure?> Ended => _end.Ended;

    /// <summary>Ends with the exit code of the leader's process.</summary>
    public Task<int> LeaderEnded => _leaderEnded.Task;

    /// <summary>Whether all ranks have been there and have opened the model.</summary>
    public bool HasStarted => _running;

    /// <summary>What the ranks have told at their end; null for those that have not.</summary>
    public IReadOnlyList<RankReport?> Reports
    {
        get
        {
            lock (_gate)
            {
                return [.. _members.Select(member => member.Report)];
            }
        }
    }

    /// <summary>Asks the leader to end, as a signal would.</summary>
    /// <returns>False where not all ranks are there yet: nothing was begun, and nobody asked.</returns>
    public bool TryStop()
    {
        lock (_gate)
        {
            if (_welcomed)
            {
                _members[0].Send(ControlKind.Stop);
            }

            return _welcomed;
        }
    }

    /// <summary>Tells that the process of a rank has ended.</summary>
    public void RankEnded(int rank, int code)
    {
        if (rank == 0)
        {
            _leaderEnded.TrySetResult(code);
        }

        lock (_gate)
        {
            if (_members[rank] is { Report: null, HasFailed: false })
            {
                // Its own word may still be on its way, unless a signal took it or its channel has ended without one.
                _end.Fail(rank, $"rank {rank} {ExitCodes.Describe(code)}", certain: ExitCodes.IsSignal(code) || _members[rank].HasLeft);
            }
        }
    }

    /// <summary>Tells that a rank of this process found no way to the coordinator.</summary>
    internal void RankCannotConnect(int rank, string why)
    {
        lock (_gate)
        {
            _end.Fail(rank, $"rank {rank} cannot connect to the launch: {why}", certain: true);
        }
    }

    /// <summary>Tells that the hosts have ended, and with them all ranks.</summary>
    public void HostsEnded(int code)
    {
        lock (_gate)
        {
            if (Array.FindIndex(_members, member => member is { Report: null, HasFailed: false }) is >= 0 and int rank)
            {
                _end.Fail(rank, $"rank {rank} has not begun or not ended: scripts/hosts {ExitCodes.Describe(code)}", certain: false);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _watch.Dispose();
        lock (_gate)
        {
            _end.Dispose();
            foreach (ControlChannel channel in _members.Select(member => member.Channel).OfType<ControlChannel>().Concat(_hosts))
            {
                channel.Close();
            }
        }

        _listener.Dispose();
    }

    private void Serve(ControlChannel channel, ControlFrame first)
    {
        if (first.Kind == ControlKind.HostHello)
        {
            ServeHost(channel, first);
            return;
        }

        RankHello hello = first.Kind == ControlKind.Hello
            ? RankHello.Read(first, _plan.Ranks)
            : throw new ControlException($"sent {first.Kind} before Hello");
        LaunchMember member = _members[hello.Rank];
        lock (_gate)
        {
            if (member.Hello is not null)
            {
                throw new ControlException($"presented itself as rank {hello.Rank}, which is there already");
            }

            member.Hello = hello;
            member.Channel = channel;
            WelcomeAll();
        }

        try
        {
            while (channel.TryReceive(out ControlFrame frame))
            {
                Handle(hello.Rank, member, frame);
            }

            NoteEnd(hello.Rank, member);
        }
        catch (ControlException e)
        {
            lock (_gate)
            {
                member.HasFailed = true;
                _end.Fail(hello.Rank, $"rank {hello.Rank} {e.Message}", certain: true);
            }
        }
    }

    private void ServeHost(ControlChannel channel, ControlFrame presented)
    {
        ControlReader hello = new(presented.Kind, presented.Body);
        int host = hello.Int32("host", 0, _plan.Hosts - 1);
        hello.End();
        lock (_gate)
        {
            _hosts.Add(channel);
        }

        List<int> running = [.. Enumerable.Range(0, _plan.Ranks).Where(rank => _plan.Topology.HostOfRank[rank] == host)];
        channel.Send(ControlKind.Welcome, _plan.Write().Written);
        while (channel.TryReceive(out ControlFrame frame))
        {
            ControlReader reader = new(frame.Kind, frame.Body);
            int rank = frame.Kind == ControlKind.RankEnded
                ? reader.Int32("rank", 0, _plan.Ranks - 1)
                : throw new ControlException($"sent {frame.Kind}, which the agent of a host may not");
            int code = reader.Int32("code", 0, byte.MaxValue);
            reader.End();
            running.Remove(rank);
            RankEnded(rank, code);
        }

        // It leaves when its ranks have; one that is killed takes them with it.
        lock (_gate)
        {
            if (running.FindAll(rank => _members[rank].Report is null) is [int first, ..] lost)
            {
                _end.Fail(first, $"host agent {host} ended, and with it {(lost.Count == 1 ? "rank" : "ranks")} {string.Join(", ", lost)}", certain: true);
            }
        }
    }

    private void NoteNobodyCanConnect(string why)
    {
        lock (_gate)
        {
            // Where all ranks are here nobody is missed.
            if (Array.FindIndex(_members, member => member.Hello is null) is >= 0 and int rank)
            {
                _end.Fail(rank, why, certain: true);
            }
        }
    }

    private void WelcomeAll()
    {
        if (_members.Any(one => one.Hello is null))
        {
            return;
        }

        WorldPlan plan = _plan with { InstructionSet = RankHello.Common([.. _members.Select(one => one.Hello!)]) };
        _welcomed = true;
        foreach (LaunchMember one in _members)
        {
            one.Heard = Stopwatch.GetTimestamp();
            one.Send(ControlKind.Welcome, plan.Write().Written);
        }
    }

    private void Handle(int rank, LaunchMember member, ControlFrame frame)
    {
        member.Heard = Stopwatch.GetTimestamp();
        if (frame.Kind is ControlKind.Open or ControlKind.Step or ControlKind.End && rank != 0)
        {
            throw new ControlException($"sent {frame.Kind}, which only the leader may");
        }

        if (frame.Kind == ControlKind.Step && _running)
        {
            // Only the leader's thread comes here: steps need no gate.
            Pass(frame);
            frame.Release();
            return;
        }

        if (frame.Kind == ControlKind.Warning)
        {
            // Whoever writes the log may be held up, and shall not hold up the others.
            ControlReader reader = new(frame.Kind, frame.Body);
            _log($"rank {rank}: {reader.Text("a warning", ControlLimits.MostSentenceBytes)}");
            reader.End();
            return;
        }

        lock (_gate)
        {
            HandleRare(rank, member, frame);
        }

        // Only a leader that is alive is told, so that nothing piles up before one that does not read.
        if (rank == 0 && frame.Kind == ControlKind.Heartbeat && _loads?.Take() is { } loads)
        {
            member.Send(ControlKind.Loads, loads.Written);
        }
    }

    private void HandleRare(int rank, LaunchMember member, ControlFrame frame)
    {
        switch (frame.Kind)
        {
            case ControlKind.Heartbeat:
                break;
            case ControlKind.Open when _welcomed && !_opening:
                _loads = new LoadSum(ModelOrder.Read(frame).Experts);
                _opening = true;
                Pass(frame);
                break;
            case ControlKind.Address when _opening && member.Address is null:
                Addresses.Read(frame, Addresses.OfRank);
                member.Address = frame.Body.ToArray();
                if (_members.All(one => one.Address is not null))
                {
                    ReadOnlySpan<byte> addresses = Addresses.Write(_members.Select(one => one.Address!)).Written;
                    _addressed = true;
                    foreach (LaunchMember one in _members)
                    {
                        one.Send(ControlKind.Addresses, addresses);
                    }

                    StartIfReady();
                }

                break;
            case ControlKind.Ready when _addressed && rank != 0 && !member.IsReady:
                member.IsReady = true;
                StartIfReady();
                break;
            case ControlKind.Loads when _running && rank != 0:
                _loads!.Add(frame);
                break;
            case ControlKind.End when _welcomed:
                Pass(frame);
                break;
            case ControlKind.Report when member.Report is null:
                member.Report = RankReport.Read(frame);
                if (!_members.Any(one => one.HasFailed))
                {
                    _end.Withdraw(rank);
                }

                if (_members.All(one => one.Report is not null))
                {
                    _end.EndWell();
                }

                break;
            case ControlKind.Failed:
                NoteFailed(rank, member, frame);
                break;
            default:
                throw new ControlException($"sent {frame.Kind} at the wrong time");
        }
    }

    private void StartIfReady()
    {
        if (_members.Skip(1).All(one => one.IsReady))
        {
            _running = true;
            _members[0].Send(ControlKind.Start);
        }
    }

    /// <summary>The leader's word goes to all others.</summary>
    private void Pass(ControlFrame frame)
    {
        foreach (LaunchMember one in _members.AsSpan(1))
        {
            one.Send(frame.Kind, frame.Body);
        }
    }

    private void NoteFailed(int rank, LaunchMember member, ControlFrame frame)
    {
        ControlReader reader = new(frame.Kind, frame.Body);
        int blamed = reader.Int32("a blamed rank", -1, _plan.Ranks - 1);
        string message = reader.Text("a message", ControlLimits.MostSentenceBytes);
        reader.End();
        member.HasFailed = true;
        if (blamed < 0)
        {
            _end.Fail(rank, $"rank {rank} failed: {message}", certain: true);
        }
        else
        {
            _end.Fail(blamed, $"{message} (noticed by rank {rank})", certain: false);
        }
    }

    private void NoteEnd(int rank, LaunchMember member)
    {
        lock (_gate)
        {
            member.HasLeft = true;
            if (member is { Report: null, HasFailed: false })
            {
                _end.Fail(rank, $"rank {rank} {(member.Channel!.IsUnread ? "does not read what it is sent" : "closed its control channel without saying why")}", certain: false);
            }
        }
    }

    private void TellAll(LaunchFailure failure)
    {
        byte[] cause = Encoding.UTF8.GetBytes(failure.Cause);
        foreach (LaunchMember one in _members)
        {
            one.Send(ControlKind.Abort, cause.AsSpan(0, Math.Min(cause.Length, ControlLimits.MostSentenceBytes)));
        }
    }

    private void LookForSilence()
    {
        lock (_gate)
        {
            for (int rank = 0; rank < _members.Length; rank++)
            {
                LaunchMember member = _members[rank];
                if (_welcomed && member.Report is null && Stopwatch.GetElapsedTime(member.Heard) > _silence)
                {
                    _end.Fail(rank, $"rank {rank} has not been heard of for {_silence.TotalSeconds:0.#} s", certain: true);
                }
                else if (!_welcomed && member.Hello is null && Stopwatch.GetElapsedTime(_start) > MeetWithin)
                {
                    _end.Fail(rank, $"rank {rank} did not report within {MeetWithin.TotalMinutes:0} minutes of its start", certain: true);
                }
            }
        }
    }
}
