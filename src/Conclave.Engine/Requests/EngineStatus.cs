using Conclave.Engine.Scheduling;

namespace Conclave.Engine;

/// <summary>Where an engine stands, all partitions of its cache together.</summary>
/// <param name="Running">Answers that are computed.</param>
/// <param name="Waiting">Requests and further answers that wait for their turn.</param>
/// <param name="CacheBlocks">Blocks of the cache.</param>
/// <param name="UsedBlocks">Blocks that answers hold.</param>
/// <param name="PrefixQueries">Tokens of prompts that were looked for in the prefix cache.</param>
/// <param name="PrefixHits">How many of these it had.</param>
/// <param name="Preemptions">How often an answer lost its blocks and was computed again.</param>
public readonly record struct EngineStatus(
    int Running, int Waiting, int CacheBlocks, int UsedBlocks, long PrefixQueries, long PrefixHits, long Preemptions)
{
    /// <summary>The sums over partitions.</summary>
    internal static EngineStatus Of(Scheduler[] partitions)
    {
        EngineStatus sum = default;
        foreach (Scheduler partition in partitions)
        {
            BlockManager blocks = partition.Blocks;
            sum = new EngineStatus(
                sum.Running + partition.RunningCount,
                sum.Waiting + partition.WaitingCount,
                sum.CacheBlocks + blocks.Total,
                sum.UsedBlocks + blocks.Total - blocks.Available,
                sum.PrefixQueries + partition.PrefixQueries,
                sum.PrefixHits + partition.PrefixHits,
                sum.Preemptions + partition.Preemptions);
        }

        return sum;
    }
}
