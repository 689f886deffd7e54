using System.Diagnostics;

namespace Conclave.Kernels;

/// <summary>Where one thread waits until another changes a number: it spins for a while, then sleeps. Waits and wakes allocate nothing.</summary>
internal sealed class Parker : IDisposable
{
    private const int PausesBetweenLooks = 4;

    private readonly AutoResetEvent _signal = new(initialState: false);
    private int _parked;

    /// <summary>
    /// Waits until <paramref name="location"/> differs from <paramref name="value"/>. Whoever changes it does so with a full fence and then calls <see cref="Wake"/>.
    /// </summary>
    public void WaitWhile(ref int location, int value, TimeSpan spin)
    {
        if (spin > TimeSpan.Zero)
        {
            long start = Stopwatch.GetTimestamp();
            while (Volatile.Read(ref location) == value && Stopwatch.GetElapsedTime(start) < spin)
            {
                Thread.SpinWait(PausesBetweenLooks);
            }
        }

        while (Volatile.Read(ref location) == value)
        {
            // The flag goes up before the last look: either this look sees the change, or the one who made it sees the flag.
            Interlocked.Exchange(ref _parked, 1);
            if (Volatile.Read(ref location) != value && Interlocked.Exchange(ref _parked, 0) == 1)
            {
                return;
            }

            // Also reached when a waker took the flag down meanwhile: its signal is on its way and must not be left for the next wait.
            _signal.WaitOne();
        }
    }

    /// <summary>Wakes the thread if it sleeps.</summary>
    public void Wake()
    {
        if (Volatile.Read(ref _parked) == 1 && Interlocked.Exchange(ref _parked, 0) == 1)
        {
            _signal.Set();
        }
    }

    public void Dispose() => _signal.Dispose();
}
