using Conclave.Parallel.DataParallel;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.DataParallel;

public sealed class RankGroupsTests
{
    [Theory]
    [InlineData(8, 4, 1, 1, "0")]
    [InlineData(8, 4, 2, 1, "0 2")]
    [InlineData(8, 4, 4, 1, "0 2 4 6")]
    [InlineData(8, 4, 6, 1, "0 1 2 3 4 6")]
    [InlineData(8, 4, 8, 1, "0 1 2 3 4 5 6 7")]
    [InlineData(8, 4, 3, 2, "0 2 4")]
    [InlineData(6, 2, 2, 2, "0 3")]
    [InlineData(5, 2, 2, 2, "0 3")]
    [InlineData(7, 2, 3, 2, "0 2 4")]
    [InlineData(5, 1, 2, 2, "0 2")]
    public void Hosts_get_groups_in_turn(int ranks, int hosts, int groups, int ranksOfGroup, string first)
    {
        RankGroups spread = new(Topology.Even(ranks, hosts), groups, ranksOfGroup);
        int[] firsts = [.. first.Split(' ').Select(int.Parse)];
        Assert.Equal(firsts, Enumerable.Range(0, spread.Count).Select(spread.FirstOf));
        Assert.Equal(firsts.SelectMany(rank => Enumerable.Range(rank, ranksOfGroup)), spread.TokenRanks);
        for (int rank = 0; rank < ranks; rank++)
        {
            int group = Array.FindIndex(firsts, one => rank >= one && rank < one + ranksOfGroup);
            Assert.Equal(group < 0 ? null : group, spread.Of(rank));
            Assert.Equal(firsts.Contains(rank), spread.IsFirst(rank));
            if (group >= 0)
            {
                Assert.Equal(rank - firsts[group], spread.NumberOf(rank));
            }
        }
    }

    [Theory]
    [InlineData(6, 2, 3, 2, 2)]
    [InlineData(4, 4, 1, 2, 0)]
    [InlineData(3, 1, 4, 1, 3)]
    public void More_than_hosts_have_room_for_are_refused(int ranks, int hosts, int groups, int ranksOfGroup, int room)
    {
        UserErrorException refused = Assert.Throws<UserErrorException>(() => new RankGroups(Topology.Even(ranks, hosts), groups, ranksOfGroup));
        Assert.Contains($"have room for {room} groups of {ranksOfGroup}", refused.Message, StringComparison.Ordinal);
    }
}
