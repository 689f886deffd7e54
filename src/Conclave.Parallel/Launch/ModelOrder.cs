namespace Conclave.Parallel.Launch;

/// <summary>The model that the leader has opened, as the other ranks must open it.</summary>
/// <param name="Directory">The checkpoint.</param>
/// <param name="InstructionSet">What to compute with; another one gives other bits.</param>
/// <param name="Threads">Threads of a rank.</param>
/// <param name="MaxTokens">Most tokens of a step.</param>
internal sealed record ModelOrder(string Directory, string InstructionSet, int Threads, int MaxTokens)
{
    private const int MostPathBytes = 4096;
    private const int MostNameBytes = 32;
    private const int MostThreads = 1024;
    private const int MostTokens = 1 << 20;

    public ControlWriter Write() =>
        new ControlWriter().Text(Directory, MostPathBytes).Text(InstructionSet, MostNameBytes).Int32(Threads).Int32(MaxTokens);

    public static ModelOrder Read(ControlFrame frame)
    {
        ControlReader reader = new(frame.Kind, frame.Body);
        ModelOrder order = new(
            reader.Text("directory", MostPathBytes),
            reader.Text("instruction set", MostNameBytes),
            reader.Int32("threads", 1, MostThreads),
            reader.Int32("tokens of a step", 1, MostTokens));
        reader.End();
        return order;
    }
}
