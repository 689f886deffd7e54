namespace Conclave.Transport.InProcess;

/// <summary>Where one thread waits until others have done something for it. Neither side allocates.</summary>
internal sealed class Doorbell : IDisposable
{
    private const int YieldsBeforeSleep = 32;

    private readonly AutoResetEvent _wake = new(initialState: false);
    private int _rung;
    private int _asleep;

    /// <summary>Called by others after what they have done is visible.</summary>
    public void Ring()
    {
        // The owner takes the flag down before it looks for work. So where the flag is still up after this fence, that look comes later and sees what was done.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _rung) == 1)
        {
            return;
        }

        Interlocked.Exchange(ref _rung, 1);
        if (Volatile.Read(ref _asleep) == 1 && Interlocked.Exchange(ref _asleep, 0) == 1)
        {
            _wake.Set();
        }
    }

    /// <summary>Called by the owner: returns when the bell has been rung since the last call, or after the given time.</summary>
    public void Wait(TimeSpan atMost)
    {
        for (int i = 0; i < YieldsBeforeSleep && atMost > TimeSpan.Zero && Volatile.Read(ref _rung) == 0; i++)
        {
            Thread.Yield();
        }

        if (Interlocked.Exchange(ref _rung, 0) == 1 || atMost <= TimeSpan.Zero)
        {
            return;
        }

        // The flag goes up before the last look: either this look sees the ring, or the one who rings sees the flag.
        Interlocked.Exchange(ref _asleep, 1);
        bool woken = Volatile.Read(ref _rung) == 0 && _wake.WaitOne(atMost);
        if (!woken && Interlocked.Exchange(ref _asleep, 0) == 0)
        {
            // Somebody took the flag down meanwhile: the signal is on its way and must not be left for the next wait.
            _wake.WaitOne();
        }

        Volatile.Write(ref _rung, 0);
        Interlocked.MemoryBarrier();
    }

    public void Dispose() => _wake.Dispose();
}
