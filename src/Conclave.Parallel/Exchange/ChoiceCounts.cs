using Conclave.Models;

namespace Conclave.Parallel.Exchange;

/// <summary>How often tokens of a rank chose each expert since it began, and how often they went to each rank for that. Belongs to the exchange's thread.</summary>
internal sealed class ChoiceCounts
{
    private readonly long[][] _experts;
    private readonly long[][] _ranks;

    public ChoiceCounts(IReadOnlyList<SlotMap?> slotsByLayer, int world)
    {
        _experts = [.. slotsByLayer.Select(slots => new long[slots?.Experts ?? 0])];
        _ranks = [.. slotsByLayer.Select(slots => new long[slots is null ? 0 : world])];
    }

    /// <summary>Number of layers.</summary>
    public int Layers => _experts.Length;

    /// <summary>Choices of all layers.</summary>
    public long Total { get; private set; }

    /// <summary>Choices by expert; empty for a layer without experts.</summary>
    public ReadOnlySpan<long> Experts(int layer) => _experts[layer];

    /// <summary>Choices by the rank of the chosen slot; empty for a layer without experts.</summary>
    public ReadOnlySpan<long> Ranks(int layer) => _ranks[layer];

    /// <summary>Counts the choices of an exchange.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="slots">Where its experts are.</param>
    /// <param name="chosen">Names slots.</param>
    public void Count(int layer, SlotMap slots, in Routing chosen)
    {
        for (int token = 0; token < chosen.Tokens; token++)
        {
            foreach (int slot in chosen.Experts(token))
            {
                if (slot >= 0)
                {
                    _experts[layer][slots.ExpertOf(slot)]++;
                    _ranks[layer][slots.RankOf(slot)]++;
                    Total++;
                }
            }
        }
    }
}
