namespace Conclave.Parallel.Placement;

/// <summary>How many slots each expert gets.</summary>
internal static class ReplicaCounts
{
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
        for (int slot = loads.Length; slot < slots; slot++)
        {
            int heaviest = -1;
            for (int expert = 0; expert < shares.Length; expert++)
            {
                if ((heaviest < 0 || shares[expert] > shares[heaviest]) && replicas[expert] < most)
                {
                    heaviest = expert;
                }
            }

            replicas[heaviest]++;
            shares[heaviest] = loads[heaviest] / replicas[heaviest];
        }
    }
}
