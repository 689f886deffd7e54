namespace Conclave.Transport;

/// <summary>The message buffers of a world; the same for all of its ranks. A rank has World × Credits × MaxMessageBytes of them, which take memory as they are first used.</summary>
public sealed record TransportOptions
{
    /// <summary>The most message buffers that a pair may have.</summary>
    public const int MostCredits = 1024;

    /// <summary>The longest messages that may be asked for, in bytes.</summary>
    public const int MostMessageBytes = 16 << 20;

    /// <summary>Buffers for the messages of one rank to another.</summary>
    public int Credits { get; init; } = 8;

    /// <summary>The longest payload in bytes.</summary>
    public int MaxMessageBytes { get; init; } = 64 << 10;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Credits, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Credits, MostCredits);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxMessageBytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxMessageBytes, MostMessageBytes);
    }
}
