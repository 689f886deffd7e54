namespace Conclave.Parallel.Launch;

/// <summary>Messages that a rank has received and not taken yet; one thread adds, one takes. To wait allocates nothing, which it does in a BlockingCollection: a rank waits before every step.</summary>
internal sealed class FrameQueue : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Queue<ControlFrame> _frames;
    private readonly SemaphoreSlim _room;
    private readonly SemaphoreSlim _filled = new(0);
    private bool _isComplete;

    /// <summary>A queue of at most so many messages.</summary>
    public FrameQueue(int most)
    {
        _frames = new Queue<ControlFrame>(most);
        _room = new SemaphoreSlim(most);
    }

    /// <summary>Whether all were taken and none is added any more.</summary>
    public bool IsEmptied
    {
        get
        {
            lock (_gate)
            {
                return _isComplete && _frames.Count == 0;
            }
        }
    }

    /// <summary>Adds a message as soon as there is room.</summary>
    /// <returns>False where none is added any more.</returns>
    public bool TryAdd(ControlFrame frame)
    {
        _room.Wait();
        lock (_gate)
        {
            if (_isComplete)
            {
                return false;
            }

            _frames.Enqueue(frame);
        }

        _filled.Release();
        return true;
    }

    /// <summary>Takes the oldest message.</summary>
    /// <returns>False where none came in this time, or none comes any more.</returns>
    public bool TryTake(out ControlFrame frame, TimeSpan atMost)
    {
        frame = default;
        if (!_filled.Wait(atMost))
        {
            return false;
        }

        lock (_gate)
        {
            if (_frames.TryDequeue(out frame))
            {
                _room.Release();
                return true;
            }
        }

        // Nor does anybody else need to wait.
        _filled.Release();
        return false;
    }

    /// <summary>No more are added; what is there can still be taken.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            if (_isComplete)
            {
                return;
            }

            _isComplete = true;
        }

        _room.Release();
        _filled.Release();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _room.Dispose();
        _filled.Dispose();
    }
}
