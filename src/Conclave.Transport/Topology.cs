using System.Collections.Immutable;

namespace Conclave.Transport;

/// <summary>Which host each rank runs on.</summary>
public sealed class Topology
{
    /// <summary>A world of as many ranks as there are elements; element r is the number of rank r's host.</summary>
    /// <exception cref="ArgumentException">There is no rank, or a host's number is negative.</exception>
    public Topology(IEnumerable<int> hostOfRank)
    {
        HostOfRank = [.. hostOfRank];
        if (HostOfRank.IsEmpty || HostOfRank.Any(host => host < 0))
        {
            throw new ArgumentException("a world has at least one rank, and hosts are numbered from 0", nameof(hostOfRank));
        }
    }

    /// <summary>The number of each rank's host.</summary>
    public ImmutableArray<int> HostOfRank { get; }

    /// <summary>The number of ranks.</summary>
    public int World => HostOfRank.Length;

    /// <summary>Ranks divided evenly over hosts in rising order, the first hosts one more where they do not divide: 8 ranks on 2 hosts are 0-3 and 4-7.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no host or rank, or there are more hosts than ranks.</exception>
    public static Topology Even(int world, int hosts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hosts, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(world, hosts);
        (int each, int rest) = Math.DivRem(world, hosts);
        int inLargerHosts = rest * (each + 1);
        return new Topology(Enumerable.Range(0, world).Select(rank => rank < inLargerHosts ? rank / (each + 1) : rest + ((rank - inLargerHosts) / each)));
    }

    /// <summary>How far apart two ranks are.</summary>
    public LinkClass Between(int rank, int peer) =>
        rank == peer ? LinkClass.SameRank : HostOfRank[rank] == HostOfRank[peer] ? LinkClass.SameHost : LinkClass.CrossHost;
}
