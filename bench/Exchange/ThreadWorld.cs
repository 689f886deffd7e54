using Conclave.Transport;
using Conclave.Transport.InProcess;

namespace Conclave.ExchangeBench;

/// <summary>A rank that is a thread of this process.</summary>
internal sealed class ThreadWorld(int rank, ThreadWorld.Shared shared) : IMeasuredWorld
{
    public int Rank => rank;

    public Topology Topology => shared.Topology;

    public byte[][] Meet(byte[] mine)
    {
        shared.Brought[rank] = mine;
        shared.Barrier.SignalAndWait();
        byte[][] all = [.. shared.Brought];

        // Nobody brings the next before all have read this.
        shared.Barrier.SignalAndWait();
        return all;
    }

    public ITransport Open()
    {
        if (rank == 0)
        {
            shared.Fabric?.Dispose();
            shared.Fabric = new InProcessFabric(Topology, new TransportOptions());
        }

        Meet([]);
        return new LimitedTransport(shared.Fabric![rank], shared.Links);
    }

    /// <summary>What the ranks have in common.</summary>
    internal sealed class Shared(Topology topology, double bytesPerSecond) : IDisposable
    {
        public Topology Topology => topology;

        public HostLinks Links { get; } = new(topology, bytesPerSecond);

        public Barrier Barrier { get; } = new(topology.World);

        public byte[][] Brought { get; } = new byte[topology.World][];

        public InProcessFabric? Fabric { get; set; }

        public void Dispose()
        {
            Fabric?.Dispose();
            Barrier.Dispose();
        }
    }
}
