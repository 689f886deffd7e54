using Conclave.Primitives;

namespace Conclave.Transport.InProcess;

/// <summary>
/// A world whose ranks are threads of one process. Each endpoint belongs to one thread; the memory between them belongs to the fabric and lives until that is disposed or, where nobody does, as long
/// as one of the endpoints.
/// With a seed, the order in which an endpoint reports the messages of its peers is drawn from it: where one thread drives all endpoints, a run repeats exactly.
/// </summary>
public sealed class InProcessFabric : IDisposable
{
    private const int BufferAlignment = 64;

    private readonly InProcessTransport[] _endpoints;
    private readonly NativeBuffer[] _memory;

    /// <summary>Makes all endpoints of a world.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside of its limits.</exception>
    public InProcessFabric(Topology topology, TransportOptions options, int? seed = null)
    {
        options.Validate();
        int world = topology.World;
        int stride = (options.MaxMessageBytes + BufferAlignment - 1) & -BufferAlignment;
        nint pairBytes = checked((nint)options.Credits * stride);
        _memory = new NativeBuffer[world];
        MessageRing[][] inbound = new MessageRing[world][];
        for (int receiver = 0; receiver < world; receiver++)
        {
            NativeBuffer memory = new(checked(world * pairBytes));
            _memory[receiver] = memory;
            inbound[receiver] = [.. Enumerable.Range(0, world).Select(sender => new MessageRing(memory, sender * pairBytes, options.Credits, stride))];
        }

        _endpoints = new InProcessTransport[world];
        for (int rank = 0; rank < world; rank++)
        {
            MessageRing[] outbound = [.. inbound.Select(rings => rings[rank])];
            Random? order = seed is int value ? new Random(HashCode.Combine(value, rank)) : null;
            _endpoints[rank] = new InProcessTransport(_endpoints, rank, topology, options, inbound[rank], outbound, order);
        }
    }

    /// <summary>The endpoint of a rank.</summary>
    public ITransport this[int rank] => _endpoints[rank];

    /// <summary>Closes all endpoints and frees the memory. No thread may use an endpoint any more.</summary>
    public void Dispose()
    {
        foreach (InProcessTransport endpoint in _endpoints)
        {
            endpoint.Dispose();
        }

        foreach (InProcessTransport endpoint in _endpoints)
        {
            endpoint.Doorbell.Dispose();
        }

        foreach (NativeBuffer memory in _memory)
        {
            memory.Dispose();
        }
    }
}
