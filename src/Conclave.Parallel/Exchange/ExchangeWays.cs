namespace Conclave.Parallel.Exchange;

/// <summary>
/// Which ranks send which kind of message to which: what follows from topology and mode alone. Every way is used in every exchange, empty or not. A rank that may have tokens hears from
/// all experts' ranks, if through forwarders, before it goes on: so nobody is ever more than one exchange ahead of another.
/// </summary>
internal sealed class ExchangeWays
{
    public const int Kinds = 5;

    private readonly int[][] _targets;
    private readonly int[][] _sources;

    public ExchangeWays(int rank, HostMap hosts, ExchangeOptions options)
    {
        int[] world = [.. Enumerable.Range(0, hosts.World)];
        bool forwards = options.Path == ExchangePath.TwoHop;
        bool reduces = options.Reduction == CombineReduction.InHost;
        int[] sources = [.. world.Where(options.MayHaveTokens)];
        HashSet<int> deliverers = forwards
            ? [.. sources.SelectMany(source => Enumerable.Range(0, hosts.Hosts).Select(host => hosts.Forwarder(source, host)))]
            : [.. sources];
        _targets = [.. Enumerable.Range(0, Kinds).Select(kind => Of((MessageKind)kind, rank))];
        _sources = [.. Enumerable.Range(0, Kinds).Select(kind => world.Where(peer => Of((MessageKind)kind, peer).Contains(rank)).ToArray())];

        int[] Of(MessageKind kind, int from)
        {
            int host = hosts.HostOf(from);
            return kind switch
            {
                MessageKind.Cross when forwards && sources.Contains(from) =>
                    [.. Enumerable.Range(0, hosts.Hosts).Where(other => other != host).Select(other => hosts.Forwarder(from, other))],
                MessageKind.Deliver when deliverers.Contains(from) => forwards ? hosts.RanksOf(host).ToArray() : world,
                MessageKind.Return when !reduces => sources,
                MessageKind.Partial when reduces => [.. hosts.RanksOf(host).ToArray().Where(deliverers.Contains)],
                MessageKind.Sum when reduces => [.. sources.Where(peer => hosts.HostOf(peer) != host && hosts.Forwarder(peer, host) == from)],
                _ => [],
            };
        }
    }

    /// <summary>The ranks that this rank sends such messages to.</summary>
    public ReadOnlySpan<int> Targets(MessageKind kind) => _targets[(int)kind];

    /// <summary>The ranks that this rank receives such messages from.</summary>
    public ReadOnlySpan<int> Sources(MessageKind kind) => _sources[(int)kind];
}
