using Conclave.Kernels;

namespace Conclave.Parallel.Launch;

/// <summary>How a rank presents itself.</summary>
/// <param name="Rank">Which rank it is.</param>
/// <param name="InstructionSets">Names of the <see cref="KernelSet"/>s that it can compute with, the best last.</param>
internal sealed record RankHello(int Rank, IReadOnlyList<string> InstructionSets)
{
    private const int Magic = 0x4B4E5243;
    private const int Version = 4;
    private const int MostSets = 16;

    /// <summary>That of this machine.</summary>
    public static RankHello Of(int rank) => new(rank, [.. KernelSet.Supported.ToArray().Select(set => set.Name)]);

    /// <summary>The best set that all of them have.</summary>
    public static string Common(IReadOnlyList<RankHello> hellos) =>
        hellos[0].InstructionSets.Last(name => hellos.All(hello => hello.InstructionSets.Contains(name)));

    public ControlWriter Write()
    {
        ControlWriter writer = new ControlWriter().Int32(Magic).Int32(Version).Int32(Rank).Int32(InstructionSets.Count);
        foreach (string name in InstructionSets)
        {
            writer.Text(name, ControlLimits.MostNameBytes);
        }

        return writer;
    }

    public static RankHello Read(ControlFrame frame, int world)
    {
        ControlReader reader = new(frame.Kind, frame.Body);
        reader.Int32("magic", Magic, Magic);
        if (reader.Int32("version", 0, int.MaxValue) is not Version and int other)
        {
            throw new ControlException($"sent Hello in version {other} of the control channel's protocol, where this launch speaks {Version}; start it and all ranks with the same program");
        }

        int rank = reader.Int32("rank", 0, world - 1);
        string[] sets = new string[reader.Int32("instruction sets", 1, MostSets)];
        foreach (ref string set in sets.AsSpan())
        {
            set = reader.Text("an instruction set", ControlLimits.MostNameBytes);
        }

        reader.End();
        return sets.Contains("reference")
            ? new RankHello(rank, sets)
            : throw new ControlException("sent Hello without the instruction set 'reference', which all have");
    }
}
