using Conclave.Primitives;

namespace Conclave.Parallel.Launch;

/// <summary>The model that the leader has opened, as the other ranks must open it.</summary>
/// <param name="Directory">The checkpoint.</param>
/// <param name="InstructionSet">What to compute with; another one gives other bits.</param>
/// <param name="Threads">Threads of a rank.</param>
/// <param name="MaxTokens">Most tokens of a rank's step.</param>
/// <param name="CacheBlocks">Blocks of the cache of each rank that has tokens.</param>
/// <param name="CacheFormat">How it stores elements: F32 or BF16.</param>
/// <param name="Experts">Routed experts of all layers together: as many numbers has a message about their loads.</param>
internal sealed record ModelOrder(string Directory, string InstructionSet, int Threads, int MaxTokens, int CacheBlocks, ElementFormat CacheFormat, int Experts)
{
    /// <summary>The most experts of all layers together.</summary>
    public const int MostExperts = 1 << 20;

    private const int MostPathBytes = 4096;
    private const int MostTokens = 1 << 20;

    public ControlWriter Write() =>
        new ControlWriter().Text(Directory, MostPathBytes).Text(InstructionSet, ControlLimits.MostNameBytes).Int32(Threads).Int32(MaxTokens)
            .Int32(CacheBlocks).Int32(CacheFormat == ElementFormat.BF16 ? 1 : 0).Int32(Experts);

    public static ModelOrder Read(ControlFrame frame)
    {
        ControlReader reader = new(frame.Kind, frame.Body);
        ModelOrder order = new(
            reader.Text("directory", MostPathBytes),
            reader.Text("instruction set", ControlLimits.MostNameBytes),
            reader.Int32("threads", 1, WorldPlan.MostThreads),
            reader.Int32("tokens of a step", 1, MostTokens),
            reader.Int32("blocks of a cache", 1, int.MaxValue),
            reader.Int32("bfloat16 in the cache", 0, 1) == 1 ? ElementFormat.BF16 : ElementFormat.F32,
            reader.Int32("experts of all layers", 0, MostExperts));
        reader.End();
        return order;
    }
}
