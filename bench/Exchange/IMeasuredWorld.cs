using Conclave.Transport;

namespace Conclave.ExchangeBench;

/// <summary>What a rank knows of the others beside the exchange that is measured.</summary>
internal interface IMeasuredWorld
{
    int Rank { get; }

    Topology Topology { get; }

    /// <summary>Waits until all ranks are here, and hands each what the others brought.</summary>
    byte[][] Meet(byte[] mine);

    /// <summary>A new transport of this rank, connected to all others.</summary>
    ITransport Open();
}

internal static class MeasuredWorldExtensions
{
    /// <summary>The largest number of all ranks.</summary>
    public static double Most(this IMeasuredWorld world, double mine) =>
        world.Meet(BitConverter.GetBytes(mine)).Max(bytes => BitConverter.ToDouble(bytes));
}
