namespace Conclave.Parallel.Balancing;

/// <summary>When and how far experts are moved.</summary>
public sealed record BalancerOptions
{
    /// <summary>Tokens of all ranks whose loads are counted before a placement is planned.</summary>
    public int WindowTokens { get; init; } = 65_536;

    /// <summary>Most experts that a new placement may copy to ranks that do not have them; null: as many as it likes.</summary>
    public int? MoveBudget { get; init; }
}
