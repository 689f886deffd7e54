using Conclave.Parallel.Exchange;
using Conclave.Transport;

namespace Conclave.Parallel.Tests.Exchange;

public sealed class TrafficTests
{
    private const int TokensOfRank = 8;

    [Theory]
    [InlineData(PayloadFormat.BF16, 0.38)]
    [InlineData(PayloadFormat.E4M3, 0.26)]
    public void TwoHopsInFp8CrossHostsWithAFractionOfTheFlatBytes(PayloadFormat combine, double most)
    {
        (long sent, long flat) = CrossHost(ExchangeOptions.Fast(combine));
        Assert.InRange((double)sent / flat, 0.2, most);
    }

    [Fact]
    public void TheBaselineSendsWhatTheCountersSayOfIt()
    {
        (long sent, long flat) = CrossHost(ExchangeOptions.Flat);
        Assert.InRange((double)sent / flat, 1, 1.01);
    }

    private static (long Sent, long Flat) CrossHost(ExchangeOptions options)
    {
        ExchangeCase world = V3Routing.Create(options, TokensOfRank);
        long sent = 0;
        long flat = 0;
        InProcessWorld.Run(world, 1, (transport, exchange) =>
        {
            foreach (LinkClass link in Enum.GetValues<LinkClass>())
            {
                LinkTraffic traffic = exchange.Traffic.Of(0, link);
                Assert.Equal(transport.Counters.BytesSent(link), traffic.PayloadBytes + traffic.MetadataBytes);
            }

            LinkTraffic crossing = exchange.Traffic.Of(0, LinkClass.CrossHost);
            Interlocked.Add(ref sent, crossing.PayloadBytes + crossing.MetadataBytes);
            Interlocked.Add(ref flat, crossing.FlatBytes);
        });

        // Tokens whose experts are on other hosts: one bfloat16 copy there and one back for each.
        int crossings = world.Exchanges[0].SelectMany((tokens, rank) => tokens.Slots.SelectMany(slots => slots)
            .Where(slot => world.Topology.Between(rank, world.SlotsByLayer[0].RankOf(slot)) == LinkClass.CrossHost)).Count();
        Assert.Equal(crossings * 2L * 2 * world.Columns, flat);
        return (sent, flat);
    }
}
