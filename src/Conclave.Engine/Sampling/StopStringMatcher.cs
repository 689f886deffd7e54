namespace Conclave.Engine;

/// <summary>
/// Finds stop strings in a text that arrives in pieces. What could be the beginning of a stop string is held back until it is known not to be one;
/// when one is complete the text ends before it, or behind it if asked for. Among several, the one that is complete first counts; among those that end
/// together, the longest. The result does not depend on how the text was cut. (Knuth, Morris, Pratt 1977, once for each string.)
/// </summary>
public sealed class StopStringMatcher
{
    private readonly string[] _stops;
    private readonly int[][] _fallbacks;
    private readonly int[] _matched;
    private readonly bool _include;

    // Text held back, then what the last call released or still holds.
    private char[] _buffer = new char[256];
    private int _held;
    private int _released;

    /// <summary>Prepares the search.</summary>
    /// <param name="stops">The strings.</param>
    /// <param name="include">Whether the one that is found is part of the text.</param>
    /// <exception cref="ArgumentException">One of the strings is empty.</exception>
    public StopStringMatcher(IReadOnlyList<string> stops, bool include = false)
    {
        _include = include;
        _stops = [.. stops];
        if (_stops.Contains("", StringComparer.Ordinal))
        {
            throw new ArgumentException("a stop string is empty", nameof(stops));
        }

        // The longest first: it wins where several end together.
        Array.Sort(_stops, static (a, b) => b.Length.CompareTo(a.Length));
        _fallbacks = Array.ConvertAll(_stops, Fallbacks);
        _matched = new int[_stops.Length];
    }

    private StopStringMatcher(StopStringMatcher other)
    {
        _include = other._include;
        _stops = other._stops;
        _fallbacks = other._fallbacks;
        _matched = new int[_stops.Length];
    }

    /// <summary>The stop string that ended the text; null while it goes on.</summary>
    public string? Found { get; private set; }

    /// <summary>The same for another text, from its beginning; what the search prepared is shared.</summary>
    public StopStringMatcher Fork() => new(this);

    /// <summary>Adds a piece of text. After a stop string was found everything further is ignored.</summary>
    /// <param name="piece">The text.</param>
    /// <param name="mayStop">False: stop strings that end in this piece are text like any other.</param>
    /// <returns>The text that is safe to show now; valid until the next call.</returns>
    public ReadOnlySpan<char> Append(ReadOnlySpan<char> piece, bool mayStop = true)
    {
        if (Found is not null)
        {
            return [];
        }

        if (_stops.Length == 0)
        {
            return piece;
        }

        DropReleased();
        if (_buffer.Length - _held < piece.Length)
        {
            Array.Resize(ref _buffer, Math.Max(_held + piece.Length, 2 * _buffer.Length));
        }

        piece.CopyTo(_buffer.AsSpan(_held));
        int end = _held + piece.Length;
        for (int i = _held; i < end; i++)
        {
            if (Advance(_buffer[i], mayStop) is { } stop)
            {
                Found = stop;
                _held = 0;
                return _buffer.AsSpan(0, _include ? i + 1 : i + 1 - stop.Length);
            }
        }

        _held = _matched.Max();
        _released = end - _held;
        return _buffer.AsSpan(0, _released);
    }

    /// <summary>The text has ended: what was held back is text after all.</summary>
    /// <returns>The rest of the text; empty where a stop string was found.</returns>
    public ReadOnlySpan<char> Finish()
    {
        DropReleased();
        int rest = _held;
        _held = 0;
        Array.Clear(_matched);
        return _buffer.AsSpan(0, rest);
    }

    private void DropReleased()
    {
        _buffer.AsSpan(_released, _held).CopyTo(_buffer);
        _released = 0;
    }

    /// <summary>Takes one more unit of text; returns the stop string that it completes, if one may.</summary>
    private string? Advance(char next, bool mayStop)
    {
        for (int s = 0; s < _stops.Length; s++)
        {
            string stop = _stops[s];
            int matched = _matched[s];
            while (matched > 0 && stop[matched] != next)
            {
                matched = _fallbacks[s][matched];
            }

            _matched[s] = stop[matched] == next ? matched + 1 : 0;
            if (_matched[s] == stop.Length)
            {
                if (mayStop)
                {
                    return stop;
                }

                _matched[s] = _fallbacks[s][stop.Length];
            }
        }

        return null;
    }

    /// <summary>For each matched length the length of the next shorter beginning of the string that also ends there.</summary>
    private static int[] Fallbacks(string stop)
    {
        int[] fallbacks = new int[stop.Length + 1];
        int length = 0;
        for (int i = 1; i < stop.Length; i++)
        {
            while (length > 0 && stop[length] != stop[i])
            {
                length = fallbacks[length];
            }

            length = stop[length] == stop[i] ? length + 1 : 0;
            fallbacks[i + 1] = length;
        }

        return fallbacks;
    }
}
