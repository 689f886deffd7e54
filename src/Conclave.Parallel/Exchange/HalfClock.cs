using System.Diagnostics;

namespace Conclave.Parallel.Exchange;

/// <summary>Times a half of an exchange, a dispatch or a combine: from its beginning until everything had arrived, others' computation included, and what of that this rank stood waiting.</summary>
internal sealed class HalfClock
{
    private long _began;
    private long _arrived;

    /// <summary>Whether a half is under way of which something has not arrived.</summary>
    public bool IsRunning => _began != 0 && _arrived == 0;

    /// <summary>A half begins.</summary>
    public void Begin() => (_began, _arrived) = (Stopwatch.GetTimestamp(), 0);

    /// <summary>Everything has arrived.</summary>
    public void Arrive() => _arrived = Stopwatch.GetTimestamp();

    /// <summary>The half ends, all of it having arrived.</summary>
    /// <param name="entered">When this rank had nothing else to do, as <see cref="Stopwatch.GetTimestamp"/> told.</param>
    public (TimeSpan Taken, TimeSpan Waited) End(long entered)
    {
        (TimeSpan, TimeSpan) times = (Stopwatch.GetElapsedTime(_began, _arrived), Stopwatch.GetElapsedTime(entered, Math.Max(entered, _arrived)));
        _began = 0;
        return times;
    }
}
