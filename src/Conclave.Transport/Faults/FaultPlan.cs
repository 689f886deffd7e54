using System.Collections.Immutable;

namespace Conclave.Transport.Faults;

/// <summary>What a <see cref="FaultyTransport"/> does wrong. The same plan over the same calls does the same.</summary>
public sealed record FaultPlan
{
    /// <summary>Where every choice is drawn from.</summary>
    public required int Seed { get; init; }

    /// <summary>A received message is held back for up to so many polls, drawn for each; peers overtake one another, messages of one peer do not.</summary>
    public int MostPollsHeld { get; init; }

    /// <summary>Peers that are lost once so many messages have been exchanged with them, sent and received ones together.</summary>
    public ImmutableDictionary<int, long> LostAfter { get; init; } = ImmutableDictionary<int, long>.Empty;
}
