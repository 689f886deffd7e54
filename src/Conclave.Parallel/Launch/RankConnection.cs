using System.Text;
using Conclave.Parallel.Exchange;

namespace Conclave.Parallel.Launch;

/// <summary>A rank's end of the control channel. A thread of its own takes what the coordinator sends; a timer tells it that the rank is alive.</summary>
public sealed class RankConnection : IDisposable
{
    private const string Over = "the launch has ended";
    private const int MostWaitingFrames = 16;
    private const int MostCauseBytes = 2048;

    private static readonly TimeSpan Pulse = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CauseComesWithin = TimeSpan.FromSeconds(2);

    private readonly ControlChannel _channel;
    private readonly Action _abandoned;
    private readonly FrameQueue _frames = new(MostWaitingFrames);
    private readonly CancellationTokenSource _stop = new();
    private readonly ManualResetEventSlim _over = new();
    private readonly Timer _heartbeat;
    private readonly Thread _reader;
    private string _cause = Over;
    private long[] _loads = [];
    private volatile bool _leaving;

    private RankConnection(ControlChannel channel, int rank, WorldPlan plan, Action abandoned)
    {
        _channel = channel;
        _abandoned = abandoned;
        Rank = rank;
        Plan = plan;
        _heartbeat = new Timer(_ => SendIfPossible(ControlKind.Heartbeat), null, Pulse, Pulse);
        _reader = new Thread(Read) { IsBackground = true, Name = $"conclave control {rank}" };
        _reader.Start();
    }

    /// <summary>Which rank this is.</summary>
    public int Rank { get; }

    /// <summary>The world that it is one of.</summary>
    public WorldPlan Plan { get; }

    /// <summary>Cancelled where the rank is to end.</summary>
    public CancellationToken Stopping => _stop.Token;

    /// <summary>Presents a rank to the coordinator and waits until all ranks are there.</summary>
    /// <param name="path">The coordinator's socket.</param>
    /// <param name="rank">Which rank this is.</param>
    /// <param name="abandoned">Called on another thread where the coordinator has gone before the rank has left: nobody is there to end it.</param>
    /// <exception cref="IOException">Nobody listens there.</exception>
    /// <exception cref="RankFailedException">Another rank failed, or this one was refused.</exception>
    public static RankConnection Open(string path, int rank, Action abandoned)
    {
        ControlChannel channel = ControlChannel.Connect(path);
        try
        {
            channel.Send(ControlKind.Hello, RankHello.Of(rank).Write().Written);
            return new RankConnection(channel, rank, Meet(channel), abandoned);
        }
        catch
        {
            channel.Dispose();
            throw;
        }
    }

    /// <summary>Waits for the coordinator's first message.</summary>
    internal static WorldPlan Meet(ControlChannel channel) => Understand(() =>
    {
        if (!channel.TryReceive(out ControlFrame frame))
        {
            throw new RankFailedException(Over);
        }

        return frame.Kind switch
        {
            ControlKind.Welcome => WorldPlan.Read(frame),
            ControlKind.Abort => throw new RankFailedException(Encoding.UTF8.GetString(frame.Body)),
            _ => throw new ControlException($"sent {frame.Kind} first"),
        };
    });

    /// <summary>Reads what the coordinator sent, whose mistake it is where that cannot be.</summary>
    /// <exception cref="RankFailedException">It cannot be.</exception>
    internal static T Understand<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (ControlException e)
        {
            throw Blame(e);
        }
    }

    internal void Send(ControlKind kind, ReadOnlySpan<byte> body = default)
    {
        try
        {
            _channel.Send(kind, body);
        }
        catch (IOException e)
        {
            throw Explain(e);
        }
    }

    /// <summary>Waits for the next message, which must be of one of these kinds.</summary>
    internal ControlFrame Take(params ReadOnlySpan<ControlKind> expected) => Take(Timeout.InfiniteTimeSpan, static () => { }, expected);

    /// <summary>The same, with something to do whenever so much time has passed.</summary>
    internal ControlFrame Take(TimeSpan pause, Action meanwhile, params ReadOnlySpan<ControlKind> expected)
    {
        ControlFrame frame;
        while (!_frames.TryTake(out frame, pause))
        {
            if (_frames.IsEmptied)
            {
                throw new RankFailedException(_cause);
            }

            meanwhile();
        }

        return expected.Contains(frame.Kind)
            ? frame
            : throw Blame(new ControlException($"sent {frame.Kind} where {string.Join(" or ", expected.ToArray())} is expected"));
    }

    /// <summary>The leader, before it has the others open a model: how often their tokens choose each of its experts, kept up to date from now on. Any thread may look.</summary>
    /// <param name="experts">Experts of all layers together.</param>
    internal long[] KeepLoads(int experts) => _loads = new long[experts];

    /// <summary>Whether the launch is over.</summary>
    internal bool IsOver => _over.IsSet;

    /// <summary>Throws where the launch is over.</summary>
    internal void ThrowIfOver()
    {
        if (IsOver)
        {
            throw new RankFailedException(_cause);
        }
    }

    /// <summary>What was noticed, as the coordinator explains it, who may know more; it is given some time.</summary>
    internal RankFailedException Explain(Exception noticed)
    {
        Fail(noticed);
        return new RankFailedException(_over.Wait(CauseComesWithin) ? _cause : noticed.Message, noticed);
    }

    /// <summary>Tells the coordinator why this rank cannot go on, unless it knows.</summary>
    public void Fail(Exception error)
    {
        int blamed = -1;
        for (Exception? cause = error; cause is not null; cause = cause.InnerException)
        {
            // What it sent itself it does not know to be wrong.
            if (cause is RankFailedException and not { InnerException: ControlException })
            {
                return;
            }

            blamed = cause is PeerException peer ? peer.Rank : blamed;
        }

        SendIfPossible(ControlKind.Failed, new ControlWriter().Int32(blamed).Text(error.Message, MostCauseBytes).Written);
    }

    /// <summary>Has the launcher tell the person something that goes wrong and ends nothing.</summary>
    internal void Warn(string what) => SendIfPossible(ControlKind.Warning, new ControlWriter().Text(what, MostCauseBytes).Written);

    /// <summary>Tells the last thing that there is to tell, and leaves.</summary>
    internal void Leave(RankReport report)
    {
        _leaving = true;
        Send(ControlKind.Report, report.Write().Written);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _leaving = true;
        _heartbeat.Dispose();
        _channel.Close();
        _frames.Complete();
        _reader.Join();
        _channel.Dispose();
        _frames.Dispose();
        _over.Dispose();
        _stop.Dispose();
    }

    private static RankFailedException Blame(ControlException e) => new($"the coordinator {e.Message}", e);

    private void SendIfPossible(ControlKind kind, ReadOnlySpan<byte> body = default)
    {
        try
        {
            _channel.Send(kind, body);
        }
        catch (IOException)
        {
            // Whoever reads notices it.
        }
    }

    private void Read()
    {
        try
        {
            while (_channel.TryReceive(out ControlFrame frame))
            {
                if (frame.Kind == ControlKind.Abort)
                {
                    _cause = Encoding.UTF8.GetString(frame.Body);
                    break;
                }

                if (frame.Kind == ControlKind.Stop)
                {
                    _ = _stop.CancelAsync();
                }
                else if (frame.Kind == ControlKind.Loads)
                {
                    ReadLoads(frame);
                }
                else if (!_frames.TryAdd(frame))
                {
                    // The rank leaves and takes nothing more.
                    break;
                }
            }
        }
        catch (ControlException e)
        {
            RankFailedException blamed = Blame(e);
            _cause = blamed.Message;
            Fail(blamed);
        }

        _over.Set();
        _frames.Complete();
        if (!_leaving)
        {
            _ = _stop.CancelAsync();
            Abandon();
        }
    }

    private void ReadLoads(ControlFrame frame)
    {
        ControlReader reader = new(frame.Kind, frame.Body);
        foreach (ref long load in _loads.AsSpan())
        {
            load = reader.Int64("choices");
        }

        reader.End();
    }

    /// <summary>After an abort the coordinator ends the rank, unless it dies itself.</summary>
    private void Abandon()
    {
        try
        {
            while (_channel.TryReceive(out _))
            {
            }
        }
        catch (ControlException)
        {
            // As good as gone.
        }

        if (!_leaving)
        {
            _abandoned();
        }
    }
}
