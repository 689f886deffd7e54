namespace Conclave.Parallel.Exchange;

/// <summary>The way of a token to its experts.</summary>
public enum ExchangePath
{
    /// <summary>One copy for each chosen expert, straight to the expert's rank: the baseline.</summary>
    OneHop,

    /// <summary>One copy for each other host with a chosen expert, to the token's forwarder there, and one from it to each rank with a chosen expert.</summary>
    TwoHop,
}

/// <summary>How experts' outputs come back.</summary>
public enum CombineReduction
{
    /// <summary>
    /// Each output returns for itself, straight to the token's rank, which sums in expert order. With <see cref="PayloadFormat.F32"/> both ways the results
    /// are the bits of a single rank.
    /// </summary>
    None,

    /// <summary>
    /// Each rank sums its weighted outputs of a token in expert order, the forwarder sums the ranks of its host in rank order, the token's rank sums the hosts
    /// in host order, all in binary32; only what crosses to another host is written in the combine format. The bits depend on the placement
    /// and, where experts have replicas, on the other tokens of the rank's step; a result is off from the sum of the outputs by at most the sum, over the other hosts, of the format's bound for their sums, beside
    /// binary32's roundings.
    /// </summary>
    InHost,
}

/// <summary>The mode of an exchange; all ranks of a world agree on it.</summary>
/// <param name="Path">The way to the experts.</param>
/// <param name="Dispatch">
/// How tokens are written, those that stay on their rank included: what an expert reads does not depend on where it is.
/// </param>
/// <param name="Combine">How outputs (or their sums) are written.</param>
/// <param name="Reduction">How outputs come back.</param>
public sealed record ExchangeOptions(ExchangePath Path, PayloadFormat Dispatch, PayloadFormat Combine, CombineReduction Reduction)
{
    /// <summary>The ranks that may have tokens; the others have experts only, and nothing is sent that would say so again in every exchange. Null: all may have some.</summary>
    public IReadOnlyCollection<int>? TokenRanks { get; init; }

    /// <summary>Whether a rank may have tokens.</summary>
    public bool MayHaveTokens(int rank) => TokenRanks?.Contains(rank) ?? true;

    /// <summary>The same bits as a single rank in every world.</summary>
    public static ExchangeOptions Exact { get; } = new(ExchangePath.TwoHop, PayloadFormat.F32, PayloadFormat.F32, CombineReduction.None);

    /// <summary>The baseline: one bfloat16 copy for each chosen expert, both ways.</summary>
    public static ExchangeOptions Flat { get; } = new(ExchangePath.OneHop, PayloadFormat.BF16, PayloadFormat.BF16, CombineReduction.None);

    /// <summary>Two hops, FP8 to the experts, sums of hosts back in a format.</summary>
    public static ExchangeOptions Fast(PayloadFormat combine) => new(ExchangePath.TwoHop, PayloadFormat.E4M3, combine, CombineReduction.InHost);
}
