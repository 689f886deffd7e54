namespace Conclave.Parallel.Balancing;

/// <summary>What balancing has done on one rank.</summary>
/// <param name="Epoch">Placements that came into force after the first one.</param>
/// <param name="MovedBytes">Weights of experts that came to this rank with them.</param>
/// <param name="Windows">Windows of loads that began after the first change; 0 on other ranks than rank 0.</param>
/// <param name="Reached">What the rank that was given most was given over the mean, averaged over layers and over these windows.</param>
/// <param name="Unbalanced">The same where experts were at first, with loads divided evenly over replicas.</param>
/// <param name="Abandoned">Plans that failed and placements that some rank could not prepare; 0 on other ranks than rank 0.</param>
/// <param name="Failure">What failed here last, a plan or this rank's preparation, and why; null if none did.</param>
public readonly record struct BalanceReport(long Epoch, long MovedBytes, int Windows, double Reached, double Unbalanced, int Abandoned, string? Failure);
