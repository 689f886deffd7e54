using Conclave.Parallel.Exchange;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.DataParallel;

/// <summary>
/// The groups of ranks that have tokens, of consecutive ranks on one host each. Hosts get groups in turn, from host 0 on, because what a group's tokens send and get back crosses the link of its host. Ranks without a
/// group have experts only.
/// </summary>
public sealed class RankGroups
{
    private readonly int[] _first;
    private readonly int[] _groupOf;

    /// <summary>Chooses the ranks of groups. Rank 0 is the first of group 0.</summary>
    /// <param name="topology">Which host each rank is on.</param>
    /// <param name="groups">Number of groups, at least 1.</param>
    /// <param name="ranksOfGroup">Ranks of each, at least 1.</param>
    /// <exception cref="UserErrorException">There are more groups than hosts have room for.</exception>
    public RankGroups(Topology topology, int groups, int ranksOfGroup)
    {
        HostMap hosts = new(topology);
        int[] room = [.. Enumerable.Range(0, hosts.Hosts).Select(host => hosts.RanksOf(host).Length / ranksOfGroup)];
        if (room[0] == 0 || room.Sum() < groups)
        {
            throw new UserErrorException(
                $"--dp {groups} --tp {ranksOfGroup}: a group must be on one host, and {hosts.World} ranks on {hosts.Hosts} host{(hosts.Hosts == 1 ? "" : "s")} have room for {(room[0] == 0 ? 0 : room.Sum())} groups of {ranksOfGroup}; choose fewer groups, or fewer ranks of each");
        }

        int[] placed = new int[hosts.Hosts];
        for ((int host, int group) = (0, 0); group < groups; host = (host + 1) % hosts.Hosts)
        {
            if (placed[host] < room[host])
            {
                placed[host]++;
                group++;
            }
        }

        _first = [.. Enumerable.Range(0, hosts.Hosts).SelectMany(host => Enumerable.Range(0, placed[host]).Select(group => hosts.RanksOf(host)[group * ranksOfGroup]))];
        _groupOf = new int[hosts.World];
        Array.Fill(_groupOf, -1);
        for (int group = 0; group < groups; group++)
        {
            Array.Fill(_groupOf, group, _first[group], ranksOfGroup);
        }
    }

    /// <summary>Number of groups.</summary>
    public int Count => _first.Length;

    /// <summary>The ranks that have a group, rising.</summary>
    public int[] TokenRanks => [.. Enumerable.Range(0, _groupOf.Length).Where(rank => _groupOf[rank] >= 0)];

    /// <summary>The first rank of a group.</summary>
    public int FirstOf(int group) => _first[group];

    /// <summary>The group of a rank; null where it has experts only.</summary>
    public int? Of(int rank) => _groupOf[rank] < 0 ? null : _groupOf[rank];

    /// <summary>Whether a rank is the first of a group.</summary>
    public bool IsFirst(int rank) => Of(rank) is { } group && _first[group] == rank;

    /// <summary>The number of a rank in its group, which it must have.</summary>
    public int NumberOf(int rank) => rank - _first[_groupOf[rank]];
}
