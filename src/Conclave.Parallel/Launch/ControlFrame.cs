namespace Conclave.Parallel.Launch;

/// <summary>A message of the control channel.</summary>
/// <param name="Kind">What it says.</param>
/// <param name="Body">The rest.</param>
internal readonly record struct ControlFrame(ControlKind Kind, byte[] Body)
{
    private const int Short = 8 << 10;
    private const int Long = 1 << 20;

    // The block tables of all sequences of a step on all ranks.
    private const int Longest = 1 << 26;

    /// <summary>The longest body of a kind.</summary>
    /// <exception cref="ControlException">There is no such kind.</exception>
    public static int MostBytes(ControlKind kind) => kind switch
    {
        ControlKind.Ready or ControlKind.Start or ControlKind.End or ControlKind.Heartbeat or ControlKind.Stop => 0,
        ControlKind.HostHello or ControlKind.RankEnded => 16,
        ControlKind.Hello or ControlKind.Welcome => 1 << 10,
        ControlKind.Open or ControlKind.Address or ControlKind.Failed or ControlKind.Abort => Short,
        ControlKind.Report => Long,
        ControlKind.Addresses => WorldPlan.MostRanks * (sizeof(int) + Short),
        ControlKind.Loads => ModelOrder.MostExperts * sizeof(long),
        ControlKind.Step => Longest,
        _ => throw new ControlException($"sent a message of kind {(byte)kind}, which there is not"),
    };
}
