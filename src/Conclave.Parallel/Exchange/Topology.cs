namespace Conclave.Parallel.Exchange;

/// <summary>Which ranks run on which host. Ranks count from 0 to world − 1, hosts from 0; every host has at least one rank.</summary>
public sealed class Topology
{
    private readonly int[] _hostOf;
    private readonly int[] _localIndex;
    private readonly int[][] _ranksOf;

    /// <summary>Describes a world.</summary>
    /// <param name="hostOfRank">The host of each rank.</param>
    /// <exception cref="ArgumentException">There are no ranks, or a host below the highest has none.</exception>
    public Topology(ReadOnlySpan<int> hostOfRank)
    {
        _hostOf = hostOfRank.ToArray();
        int hosts = _hostOf.Length == 0 ? 0 : _hostOf.Max() + 1;
        _ranksOf = [.. Enumerable.Range(0, hosts).Select(host => Enumerable.Range(0, World).Where(rank => _hostOf[rank] == host).ToArray())];
        if (World == 0 || _hostOf.Min() < 0 || _ranksOf.Any(ranks => ranks.Length == 0))
        {
            throw new ArgumentException($"the hosts [{string.Join(", ", _hostOf)}] of ranks must count from 0 without gaps", nameof(hostOfRank));
        }

        _localIndex = [.. Enumerable.Range(0, World).Select(rank => Array.IndexOf(_ranksOf[_hostOf[rank]], rank))];
    }

    /// <summary>Number of ranks.</summary>
    public int World => _hostOf.Length;

    /// <summary>Number of hosts.</summary>
    public int Hosts => _ranksOf.Length;

    /// <summary>Divides ranks over hosts as evenly as they go, neighbours together.</summary>
    public static Topology Even(int world, int hosts) => new([.. Enumerable.Range(0, world).Select(rank => (int)((long)rank * hosts / world))]);

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
