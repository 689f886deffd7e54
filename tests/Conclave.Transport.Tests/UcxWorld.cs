using Conclave.Transport.Ucx;

namespace Conclave.Transport.Tests;

/// <summary>Ranks of one process that are connected over UCX.</summary>
internal sealed class UcxWorld : IDisposable
{
    public UcxWorld(int world, TransportOptions options) : this(Topology.Even(world, 1), options)
    {
    }

    /// <param name="topology">Hosts, which only counters and exchanges tell apart: all ranks are here.</param>
    /// <param name="options">The buffers of each.</param>
    public UcxWorld(Topology topology, TransportOptions options)
    {
        Ranks = [.. Enumerable.Range(0, topology.World).Select(rank => new UcxTransport(topology, rank, options))];
        byte[][] addresses = [.. Ranks.Select(rank => rank.LocalAddress.ToArray())];
        Array.ForEach(Ranks, rank => rank.Connect(addresses));
    }

    public UcxTransport[] Ranks { get; }

    public void Dispose()
    {
        // Each waits for the others' credits, so they leave together.
        Thread[] threads = [.. Ranks.Select(rank => new Thread(rank.Dispose))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
    }
}
