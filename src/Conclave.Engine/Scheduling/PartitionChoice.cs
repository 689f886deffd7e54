namespace Conclave.Engine.Scheduling;

/// <summary>What one partition of the cache is to a request that comes.</summary>
/// <param name="Cached">Tokens of its prompt that the partition holds.</param>
/// <param name="Tokens">Tokens of all that runs or waits there.</param>
public readonly record struct PartitionState(int Cached, long Tokens);

/// <summary>Where a request is computed, where the cache has several partitions.</summary>
public static class PartitionChoice
{
    /// <summary>The partition that holds most of the prompt; among equals the one with the fewest tokens that run or wait; among equals the first.</summary>
    /// <param name="partitions">At least one.</param>
    public static int Choose(ReadOnlySpan<PartitionState> partitions)
    {
        int best = 0;
        for (int i = 1; i < partitions.Length; i++)
        {
            PartitionState present = partitions[best];
            if (partitions[i].Cached > present.Cached || (partitions[i].Cached == present.Cached && partitions[i].Tokens < present.Tokens))
            {
                best = i;
            }
        }

        return best;
    }
}
