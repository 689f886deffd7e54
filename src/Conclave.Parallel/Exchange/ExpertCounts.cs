using Conclave.Models;

namespace Conclave.Parallel.Exchange;

/// <summary>How often tokens of a rank chose each expert since it began. Belongs to the exchange's thread.</summary>
internal sealed class ExpertCounts
{
    private readonly long[][] _counts;

    public ExpertCounts(IReadOnlyList<SlotMap?> slotsByLayer) => _counts = [.. slotsByLayer.Select(slots => new long[slots?.Experts ?? 0])];

    /// <summary>Choices of all layers.</summary>
    public long Total { get; private set; }

    /// <summary>Counts by expert; empty for a layer without experts.</summary>
    public ReadOnlySpan<long> Of(int layer) => _counts[layer];

    /// <summary>Counts the choices of an exchange.</summary>
    public void Count(int layer, in Routing routing)
    {
        long[] counts = _counts[layer];
        for (int token = 0; token < routing.Tokens; token++)
        {
            foreach (int expert in routing.Experts(token))
            {
                if (expert >= 0)
                {
                    counts[expert]++;
                    Total++;
                }
            }
        }
    }
}
