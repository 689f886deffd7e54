using Conclave.Transport;

namespace Conclave.Parallel.Exchange;

/// <summary>The hosts of a world with their ranks, counted from 0 by rising host number.</summary>
public sealed class HostMap
{
    private readonly int[] _hostOf;
    private readonly int[] _localIndex;
    private readonly int[][] _ranksOf;

    /// <summary>Sorts the ranks of a world by host.</summary>
    public HostMap(Topology topology)
    {
        int[] numbers = [.. topology.HostOfRank.Distinct().Order()];
        _hostOf = [.. topology.HostOfRank.Select(number => Array.IndexOf(numbers, number))];
        _ranksOf = [.. numbers.Select((_, host) => Enumerable.Range(0, World).Where(rank => _hostOf[rank] == host).ToArray())];
        _localIndex = [.. _hostOf.Select((host, rank) => Array.IndexOf(_ranksOf[host], rank))];
    }

    /// <summary>Number of ranks.</summary>
    public int World => _hostOf.Length;

    /// <summary>Number of hosts.</summary>
    public int Hosts => _ranksOf.Length;

    /// <summary>The host of a rank.</summary>
    public int HostOf(int rank) => _hostOf[rank];

    /// <summary>The ranks of a host, rising.</summary>
    public ReadOnlySpan<int> RanksOf(int host) => _ranksOf[host];

    /// <summary>
    /// The rank of a host that receives a source's tokens there and fans them out: the source itself on its own host, elsewhere the rank with the
    /// source's index among the ranks of its host, modulo the number of ranks there.
    /// </summary>
    public int Forwarder(int source, int host) =>
        _hostOf[source] == host ? source : _ranksOf[host][_localIndex[source] % _ranksOf[host].Length];
}
