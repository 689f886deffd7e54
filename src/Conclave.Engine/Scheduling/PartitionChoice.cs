namespace Conclave.Engine.Scheduling;

/// <summary>Where a request is computed, where the cache has several partitions.</summary>
public static class PartitionChoice
{
    /// <summary>
    /// The partition that would be through soonest with all that it has and with the sequence's prompt, of which it need not compute what it has cached; among equals the first.
    /// So those that share a prefix stay together until the others' idleness is worth more than the prefix.
    /// </summary>
    /// <param name="partitions">At least one.</param>
    /// <param name="sequence">Not submitted yet.</param>
    public static int Choose(ReadOnlySpan<Scheduler> partitions, Sequence sequence)
    {
        int best = 0;
        long least = long.MaxValue;
        for (int i = 0; i < partitions.Length; i++)
        {
            long work = partitions[i].Work + sequence.Count - partitions[i].Blocks.CountCached(sequence);
            if (work < least)
            {
                (best, least) = (i, work);
            }
        }

        return best;
    }
}
