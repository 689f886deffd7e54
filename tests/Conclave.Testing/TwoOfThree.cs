namespace Conclave.Testing;

/// <summary>
/// Attempts of which two of three must take less than a limit: whoever has to wait for a time-out is late each time; who is late once may have waited for a core that a neighbour had.
/// </summary>
/// <param name="limit">How long an attempt in time may take.</param>
public sealed class TwoOfThree(TimeSpan limit)
{
    private readonly List<TimeSpan> _taken = [];

    /// <summary>Whether two were in time.</summary>
    public bool InTime => _taken.Count(time => time < limit) == 2;

    /// <summary>Whether further attempts would change nothing.</summary>
    public bool AreDecided => InTime || _taken.Count(time => time >= limit) == 2;

    /// <summary>Counts an attempt.</summary>
    /// <param name="taken">How long it took.</param>
    public void Add(TimeSpan taken) => _taken.Add(taken);

    /// <summary>How long the attempts took.</summary>
    public override string ToString() => string.Join(", ", _taken.Select(time => $"{time.TotalSeconds:F1} s"));
}
