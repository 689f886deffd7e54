using Conclave.Transport;
using Conclave.Transport.Ucx;

namespace Conclave.ExchangeBench;

/// <summary>The rank of a "host" of scripts/hosts, a process. Ranks speak UCX, and meet in a folder.</summary>
internal sealed class HostWorld(string folder, int rank, Topology topology) : IMeasuredWorld
{
    private int _meetings;

    public int Rank => rank;

    public Topology Topology => topology;

    public byte[][] Meet(byte[] mine)
    {
        string path = Path.Combine(folder, $"{_meetings++}.");
        File.WriteAllBytes($"{path}{rank}.new", mine);
        File.Move($"{path}{rank}.new", $"{path}{rank}");
        byte[][] all = new byte[topology.World][];
        for (int peer = 0; peer < all.Length; peer++)
        {
            while (!File.Exists($"{path}{peer}"))
            {
                Thread.Sleep(1);
            }

            all[peer] = File.ReadAllBytes($"{path}{peer}");
        }

        return all;
    }

    public ITransport Open()
    {
        UcxTransport transport = new(topology, rank, new TransportOptions());
        transport.Connect(Meet(transport.LocalAddress.ToArray()));
        return transport;
    }
}
