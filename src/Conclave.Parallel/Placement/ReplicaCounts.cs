namespace Conclave.Parallel.Placement;

/// <summary>How many slots each expert gets.</summary>
internal static class ReplicaCounts
{
    /// <summary>The largest of each block of experts is known, so that few are looked at for a slot.</summary>
    private const int Block = 16;

    /// <summary>
    /// Gives every expert one slot, then each further slot to the expert with the largest load per replica, of equals the first. No other division of the slots makes the
    /// largest load per replica smaller.
    /// </summary>
    /// <param name="loads">By expert.</param>
    /// <param name="slots">At least one for each expert.</param>
    /// <param name="most">Most replicas of an expert.</param>
    /// <param name="replicas">Replicas by expert.</param>
    /// <param name="shares">Load per replica by expert.</param>
    public static void Fill(ReadOnlySpan<double> loads, int slots, int most, Span<int> replicas, Span<double> shares)
    {
        replicas.Fill(1);
        loads.CopyTo(shares);
        double[] tops = new double[(loads.Length + Block - 1) / Block];
        for (int block = 0; block < tops.Length; block++)
        {
            tops[block] = Top(replicas, shares, most, block);
        }

        for (int slot = loads.Length; slot < slots; slot++)
        {
            int block = 0;
            for (int other = 1; other < tops.Length; other++)
            {
                block = tops[other] > tops[block] ? other : block;
            }

            int expert = block * Block;
            while (shares[expert] != tops[block] || replicas[expert] == most)
            {
                expert++;
            }

            replicas[expert]++;
            shares[expert] = loads[expert] / replicas[expert];
            tops[block] = Top(replicas, shares, most, block);
        }
    }

    /// <summary>The largest load per replica of a block's experts that may have more; below 0 where none may.</summary>
    private static double Top(ReadOnlySpan<int> replicas, ReadOnlySpan<double> shares, int most, int block)
    {
        double top = -1;
        for (int expert = block * Block; expert < Math.Min((block + 1) * Block, shares.Length); expert++)
        {
            top = shares[expert] > top && replicas[expert] < most ? shares[expert] : top;
        }

        return top;
    }
}
