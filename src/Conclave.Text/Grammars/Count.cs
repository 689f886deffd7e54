namespace Conclave.Text.Grammars;

/// <summary>A state that counts items, each of which takes at least one byte.</summary>
/// <param name="States">The states of all counts.</param>
/// <param name="Value">The items so far.</param>
/// <param name="Min">The least number of items.</param>
/// <param name="Max">The most; -1 for any number of them behind the least.</param>
internal readonly record struct Count(int[] States, int Value, int Min, int Max)
{
    /// <summary>
    /// The first state of which so many bytes cannot tell this one: both are too far below the least number, or between it and the most without
    /// reaching that. Long counts have few different masks that way.
    /// </summary>
    public int Twin(int bytes) =>
        Value + bytes < Min ? States[0]
        : Value >= Min && Max >= 0 && Value + bytes <= Max ? States[Min]
        : States[Value];
}
