namespace Conclave.Parallel.Placement;

/// <summary>Ranks of a host are alike, and so are hosts of one size: which of them gets what is chosen so that few experts must be copied.</summary>
internal static class RankMatching
{
    /// <summary>
    /// Reorders the slots of a layer: hosts, then ranks of a host, greedily by how many experts they share with the previous placement; experts that stay keep
    /// their slot.
    /// </summary>
    public static void Match(PlacementShape shape, ReadOnlySpan<int> previous, Span<int> slots)
    {
        int[] firstRank = [.. Enumerable.Range(0, shape.Ranks).GroupBy(shape.HostOf).Select(ranks => ranks.First()), shape.Ranks];
        int perRank = shape.SlotsPerRank;
        int[] planned = slots.ToArray();
        int[] hosts = Pair(shape.Hosts, previous, planned, host => (firstRank[host] * perRank)..(firstRank[host + 1] * perRank));
        for (int host = 0; host < shape.Hosts; host++)
        {
            int before = firstRank[host];
            int after = firstRank[hosts[host]];
            int[] ranks = Pair(
                firstRank[host + 1] - before,
                previous[(before * perRank)..(firstRank[host + 1] * perRank)],
                planned.AsSpan(after * perRank, (firstRank[host + 1] - before) * perRank),
                rank => (rank * perRank)..((rank + 1) * perRank));
            for (int rank = 0; rank < ranks.Length; rank++)
            {
                Span<int> target = slots.Slice((before + rank) * perRank, perRank);
                planned.AsSpan((after + ranks[rank]) * perRank, perRank).CopyTo(target);
                KeepSlots(previous.Slice((before + rank) * perRank, perRank), target);
            }
        }
    }

    /// <summary>For each part of the previous slots the part of the planned ones that takes its place, of the same size.</summary>
    private static int[] Pair(int parts, ReadOnlySpan<int> previous, ReadOnlySpan<int> planned, Func<int, Range> part)
    {
        List<(int Shared, int Before, int After)> pairs = new(parts * parts);
        for (int before = 0; before < parts; before++)
        {
            ReadOnlySpan<int> held = previous[part(before)];
            for (int after = 0; after < parts; after++)
            {
                ReadOnlySpan<int> wanted = planned[part(after)];
                if (wanted.Length == held.Length)
                {
                    int shared = 0;
                    foreach (int expert in wanted)
                    {
                        shared += held.Contains(expert) ? 1 : 0;
                    }

                    pairs.Add((shared, before, after));
                }
            }
        }

        // Of equal ones the first, so that nothing moves without a reason.
        pairs.Sort((a, b) => a.Shared != b.Shared ? b.Shared.CompareTo(a.Shared) : (a.Before, a.After).CompareTo((b.Before, b.After)));
        int[] partner = new int[parts];
        partner.AsSpan().Fill(-1);
        bool[] taken = new bool[parts];
        foreach ((int _, int before, int after) in pairs)
        {
            if (partner[before] < 0 && !taken[after])
            {
                partner[before] = after;
                taken[after] = true;
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
