using Conclave.Models;

namespace Conclave.Parallel.Exchange;

/// <summary>
/// What a rank sends to whom for the routing of its tokens: a copy for each token and each destination (a rank, or a host) that has any of the token's
/// experts. Filled anew for every dispatch; allocates nothing after its creation.
/// </summary>
internal sealed class CopyPlan
{
    private readonly int _expertsPerToken;
    private readonly int[] _destination;
    private readonly int[] _token;
    private readonly int[] _choiceStart;
    private readonly int[] _choices;
    private readonly int[] _firstOfToken;
    private readonly int[] _start;
    private readonly int[] _order;

    /// <summary>Creates an empty plan.</summary>
    /// <param name="maxTokens">Most tokens of a dispatch.</param>
    /// <param name="expertsPerToken">Most experts of a token.</param>
    /// <param name="destinations">Number of destinations.</param>
    public CopyPlan(int maxTokens, int expertsPerToken, int destinations)
    {
        int most = checked(maxTokens * expertsPerToken);
        _expertsPerToken = expertsPerToken;
        _destination = new int[most];
        _token = new int[most];
        _choiceStart = new int[most + 1];
        _choices = new int[most];
        _firstOfToken = new int[maxTokens + 1];
        _start = new int[destinations + 1];
        _order = new int[most];
    }

    /// <summary>Number of copies.</summary>
    public int Count { get; private set; }

    /// <summary>Plans a copy to each rank that holds a chosen slot.</summary>
    /// <exception cref="ArgumentException">The routing does not fit the plan, or names a slot that is not there or one twice for a token.</exception>
    public void ByRank(in Routing routing, SlotMap slots) => Fill(routing, slots, null);

    /// <summary>Plans a copy to each host that holds a chosen slot.</summary>
    /// <exception cref="ArgumentException">The routing does not fit the plan, or names a slot that is not there or one twice for a token.</exception>
    public void ByHost(in Routing routing, SlotMap slots, HostMap hosts) => Fill(routing, slots, hosts);

    /// <summary>The copies to a destination, by rising token.</summary>
    public ReadOnlySpan<int> To(int destination) => _order.AsSpan(_start[destination].._start[destination + 1]);

    /// <summary>The copies of a token, First up to End, by rising destination.</summary>
    public (int First, int End) Of(int token) => (_firstOfToken[token], _firstOfToken[token + 1]);

    /// <summary>The token of a copy.</summary>
    public int Token(int copy) => _token[copy];

    /// <summary>Where a copy goes.</summary>
    public int Destination(int copy) => _destination[copy];

    /// <summary>The places of a copy's slots in the token's routing, by rising expert.</summary>
    public ReadOnlySpan<int> Choices(int copy) => _choices.AsSpan(_choiceStart[copy].._choiceStart[copy + 1]);

    private void Fill(in Routing routing, SlotMap slots, HostMap? hosts)
    {
        if (routing.ExpertsPerToken > _expertsPerToken || routing.Tokens >= _firstOfToken.Length)
        {
            throw new ArgumentException(
                $"{routing.Tokens} tokens with {routing.ExpertsPerToken} experts do not fit {_firstOfToken.Length - 1} with {_expertsPerToken}", nameof(routing));
        }

        Count = 0;
        int placed = 0;
        Array.Clear(_start);
        for (int token = 0; token < routing.Tokens; token++)
        {
            _firstOfToken[token] = Count;
            ReadOnlySpan<int> chosen = routing.Experts(token);
            int first = placed;
            for (int k = 0; k < chosen.Length; k++)
            {
                if (chosen[k] >= 0)
                {
                    Insert(chosen, slots, hosts, first, placed++, k);
                }
            }

            for (int i = first; i < placed; i++)
            {
                int destination = DestinationOf(chosen[_choices[i]], slots, hosts);
                if (Count == _firstOfToken[token] || _destination[Count - 1] != destination)
                {
                    _destination[Count] = destination;
                    _token[Count] = token;
                    _choiceStart[Count++] = i;
                    _start[destination + 1]++;
                }
            }
        }

        _firstOfToken[routing.Tokens] = Count;
        _choiceStart[Count] = placed;
        SortByDestination();
    }

    /// <summary>Keeps a token's choices sorted by destination, then by expert.</summary>
    private void Insert(ReadOnlySpan<int> chosen, SlotMap slots, HostMap? hosts, int first, int end, int k)
    {
        int slot = chosen[k];
        if (slot >= slots.Slots)
        {
            throw new ArgumentException($"routing names slot {slot} of {slots.Slots}");
        }

        (int, int) key = (DestinationOf(slot, slots, hosts), slots.ExpertOf(slot));
        int at = end;
        for (; at > first; at--)
        {
            int other = chosen[_choices[at - 1]];
            int order = (DestinationOf(other, slots, hosts), slots.ExpertOf(other)).CompareTo(key);
            if (order == 0)
            {
                throw new ArgumentException($"routing names expert {slots.ExpertOf(slot)} twice for a token");
            }

            if (order < 0)
            {
                break;
            }

            _choices[at] = _choices[at - 1];
        }

        _choices[at] = k;
    }

    private void SortByDestination()
    {
        for (int destination = 1; destination < _start.Length; destination++)
        {
            _start[destination] += _start[destination - 1];
        }

        // Filling from behind turns each destination's end, which stands one place to the right, into its beginning.
        for (int copy = Count - 1; copy >= 0; copy--)
        {
            _order[--_start[_destination[copy] + 1]] = copy;
        }

        _start.AsSpan(1).CopyTo(_start);
        _start[^1] = Count;
    }

    private static int DestinationOf(int slot, SlotMap slots, HostMap? hosts) =>
        hosts is null ? slots.RankOf(slot) : hosts.HostOf(slots.RankOf(slot));
}
