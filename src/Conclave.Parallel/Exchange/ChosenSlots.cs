using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Parallel.Exchange;

/// <summary>
/// The slots that the tokens of one dispatch go to: for each chosen expert one of its replicas. A function of the routing, the slots and the source rank alone; what
/// earlier dispatches chose does not matter, so neither does the company that a token had.
/// </summary>
internal sealed unsafe class ChosenSlots(ExchangeShape shape, int maxTokens) : IDisposable
{
    private readonly NativeBuffer _slots = new(checked((nint)maxTokens * shape.ExpertsPerToken * sizeof(int)));
    private readonly long[] _given = new long[shape.Hosts.World];

    /// <summary>Chooses; the answer is valid until the next call.</summary>
    /// <param name="slots">Where the layer's experts are.</param>
    /// <param name="routing">Names experts.</param>
    /// <returns>The same tokens and weights; names slots.</returns>
    /// <exception cref="ArgumentException">The routing has more tokens or choices than fit, or names an expert that no slot holds.</exception>
    public Routing Choose(SlotMap slots, in Routing routing)
    {
        int k = routing.ExpertsPerToken;
        if (routing.Tokens > maxTokens || k > shape.ExpertsPerToken)
        {
            throw new ArgumentException(
                $"{routing.Tokens} tokens with {k} experts do not fit {maxTokens} with {shape.ExpertsPerToken}", nameof(routing));
        }

        Routing chosen = routing.WithExperts((int*)_slots.Data);
        Array.Clear(_given);

        // Experts that leave no choice first: what a rank has to do anyway counts for those that do.
        bool open = false;
        for (int token = 0; token < routing.Tokens; token++)
        {
            ReadOnlySpan<int> experts = routing.Experts(token);
            Span<int> slotsOfToken = chosen.Experts(token);
            for (int i = 0; i < k; i++)
            {
                ReadOnlySpan<int> replicas = experts[i] < 0 ? [] : slots.Replicas(experts[i]);
                slotsOfToken[i] = replicas.Length == 1 ? replicas[0] : -1;
                open |= replicas.Length > 1;
                if (replicas.Length == 1)
                {
                    _given[slots.RankOf(replicas[0])]++;
                }
            }
        }

        for (int token = 0; open && token < routing.Tokens; token++)
        {
            ReadOnlySpan<int> experts = routing.Experts(token);
            Span<int> slotsOfToken = chosen.Experts(token);
            for (int i = 0; i < k; i++)
            {
                if (experts[i] >= 0 && slotsOfToken[i] < 0)
                {
                    slotsOfToken[i] = ReplicaChoice.Choose(slots, shape.Hosts, experts[i], shape.Rank, shape.AllHostsHaveTokens, _given);
                    _given[slots.RankOf(slotsOfToken[i])]++;
                }
            }
        }

        return chosen;
    }

    public void Dispose() => _slots.Dispose();
}
