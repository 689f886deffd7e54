using Conclave.Engine.Scheduling;
using Conclave.Primitives;

namespace Conclave.Engine;

/// <summary>How many requests an engine takes, and what it may reuse.</summary>
public sealed record EngineOptions
{
    /// <summary>Most answers that are computed at a time, at least 1; where ranks divide the requests, of each of these.</summary>
    public int MaxRunning { get; init; } = 64;

    /// <summary>Most requests that wait for their turn, from 0; more are refused.</summary>
    public int MaxWaiting { get; init; } = 1024;

    /// <summary>
    /// What a request may reuse of others. A prompt that reuses cached positions which were generated gets what another form of attention computed: the
    /// one thing by which its bits depend on others, and what <see cref="PrefixReuse.Strict"/> forbids.
    /// </summary>
    public PrefixReuse PrefixReuse { get; init; } = PrefixReuse.All;

    /// <summary>What traces and metrics call the model; null: nothing.</summary>
    public string? ModelName { get; init; }

    /// <summary>Whether metrics tell what each expert of each layer was given. A V3 has 14,848 of them.</summary>
    public bool ExpertMetrics { get; init; }

    /// <summary>These options, whose values are in their ranges.</summary>
    /// <exception cref="UserErrorException">One is not.</exception>
    internal EngineOptions Checked() =>
        MaxRunning < 1 ? throw new UserErrorException($"EngineOptions.MaxRunning: {MaxRunning} is out of range; at least 1 is expected")
        : MaxWaiting < 0 ? throw new UserErrorException($"EngineOptions.MaxWaiting: {MaxWaiting} is out of range; at least 0 is expected")
        : this;
}
