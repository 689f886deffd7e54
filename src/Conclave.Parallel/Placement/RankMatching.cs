namespace Conclave.Parallel.Placement;

/// <summary>Ranks of a host are alike, and so are hosts of one size: which of them gets what is chosen so that few experts must be copied.</summary>
internal sealed class RankMatching
{
    private readonly PlacementShape _shape;
    private readonly int[] _firstRank;
    private readonly int[] _hostOfSlot;
    private readonly int[] _rankOfSlot;
    private readonly int[] _planned;
    private readonly int[] _firstHolder;
    private readonly int[] _nextHolder;
    private readonly int[] _shared;
    private readonly int[] _partner;
    private readonly bool[] _taken;

    public RankMatching(PlacementShape shape)
    {
        _shape = shape;
        _firstRank = [.. Enumerable.Range(0, shape.Ranks).GroupBy(shape.HostOf).Select(ranks => ranks.First()), shape.Ranks];
        _rankOfSlot = [.. Enumerable.Range(0, shape.Slots).Select(slot => slot / shape.SlotsPerRank)];
        _hostOfSlot = [.. _rankOfSlot.Select(shape.HostOf)];
        _planned = new int[shape.Slots];
        _firstHolder = new int[shape.Experts];
        _nextHolder = new int[shape.Slots];
        int parts = Math.Max(shape.Hosts, Enumerable.Range(0, shape.Hosts).Max(host => _firstRank[host + 1] - _firstRank[host]));
        _shared = new int[parts * parts];
        _partner = new int[parts];
        _taken = new bool[parts];
    }

    /// <summary>
    /// Reorders the slots of a layer: hosts, then ranks of a host, greedily by how many experts they share with the previous placement; experts that stay keep
    /// their slot.
    /// </summary>
    public void Match(ReadOnlySpan<int> previous, Span<int> slots)
    {
        int perRank = _shape.SlotsPerRank;
        slots.CopyTo(_planned);
        FindHolders(previous);
        int[] hosts = Pair(_hostOfSlot, 0, _shape.Hosts, 0, 0..slots.Length, (before, after) => SizeOf(before) == SizeOf(after)).ToArray();
        for (int host = 0; host < hosts.Length; host++)
        {
            (int before, int after, int count) = (_firstRank[host], _firstRank[hosts[host]], SizeOf(host));
            ReadOnlySpan<int> ranks = Pair(_rankOfSlot, before, count, after, (after * perRank)..((after + count) * perRank), static (_, _) => true);
            for (int rank = 0; rank < ranks.Length; rank++)
            {
                Span<int> target = slots.Slice((before + rank) * perRank, perRank);
                _planned.AsSpan((after + ranks[rank]) * perRank, perRank).CopyTo(target);
                KeepSlots(previous.Slice((before + rank) * perRank, perRank), target);
            }
        }
    }

    private int SizeOf(int host) => _firstRank[host + 1] - _firstRank[host];

    /// <summary>Lists for each expert the slots that had it, rising.</summary>
    private void FindHolders(ReadOnlySpan<int> previous)
    {
        _firstHolder.AsSpan().Fill(-1);
        for (int slot = previous.Length - 1; slot >= 0; slot--)
        {
            _nextHolder[slot] = _firstHolder[previous[slot]];
            _firstHolder[previous[slot]] = slot;
        }
    }

    /// <summary>For each part of the previous slots the part of the planned ones that takes its place.</summary>
    /// <param name="partOfSlot">The part of each slot.</param>
    /// <param name="firstBefore">The first part of the previous slots.</param>
    /// <param name="parts">How many parts are paired.</param>
    /// <param name="firstAfter">The first part of the planned slots.</param>
    /// <param name="planned">Their slots.</param>
    /// <param name="fit">Whether two parts are of one size.</param>
    private Span<int> Pair(int[] partOfSlot, int firstBefore, int parts, int firstAfter, Range planned, Func<int, int, bool> fit)
    {
        Span<int> shared = _shared.AsSpan(0, parts * parts);
        shared.Clear();
        for (int slot = planned.Start.Value; slot < planned.End.Value; slot++)
        {
            int after = partOfSlot[slot] - firstAfter;
            int last = -1;
            for (int holder = _firstHolder[_planned[slot]]; holder >= 0; holder = _nextHolder[holder])
            {
                int before = partOfSlot[holder] - firstBefore;
                if ((uint)before < (uint)parts && before != last)
                {
                    shared[(before * parts) + after]++;
                    last = before;
                }
            }
        }

        Span<int> partner = _partner.AsSpan(0, parts);
        partner.Fill(-1);
        _taken.AsSpan().Clear();
        int most = 0;
        foreach (int count in shared)
        {
            most = Math.Max(most, count);
        }

        // Of equal ones the first, so that nothing moves without a reason.
        for ((int wanted, int left) = (most, parts); wanted >= 0 && left > 0; wanted--)
        {
            for (int before = 0; before < parts; before++)
            {
                for (int after = 0; after < parts && partner[before] < 0; after++)
                {
                    if (shared[(before * parts) + after] == wanted && !_taken[after] && fit(before, after))
                    {
                        partner[before] = after;
                        _taken[after] = true;
                        left--;
                    }
                }
            }
        }

        return partner;
    }

    private static void KeepSlots(ReadOnlySpan<int> previous, Span<int> slots)
    {
        for (int slot = 0; slot < slots.Length; slot++)
        {
            int at = slots.IndexOf(previous[slot]);

            // A twin that is in its place already stays there.
            if (at >= 0 && slots[slot] != previous[slot] && previous[at] != slots[at])
            {
                (slots[slot], slots[at]) = (slots[at], slots[slot]);
            }
        }
    }
}
