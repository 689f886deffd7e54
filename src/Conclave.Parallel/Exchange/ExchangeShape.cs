using Conclave.Kernels;
using Conclave.Transport;

namespace Conclave.Parallel.Exchange;

/// <summary>What the parts of an exchange on one rank know about it.</summary>
internal sealed class ExchangeShape
{
    public ExchangeShape(
        int rank, Topology topology, int maxLocalSlots, ExchangeOptions options, int columns, int expertsPerToken, KernelSet kernels)
    {
        Rank = rank;
        Topology = topology;
        Hosts = new HostMap(topology);
        Host = Hosts.HostOf(rank);
        MaxLocalSlots = maxLocalSlots;
        Options = options;
        Columns = columns;
        ExpertsPerToken = expertsPerToken;
        Add = kernels.ScaledAdd;
        DispatchCodec = PayloadCodec.Create(options.Dispatch, columns, kernels.Codec);
        CombineCodec = PayloadCodec.Create(options.Combine, columns, kernels.Codec);
        PartialCodec = PayloadCodec.Create(PayloadFormat.F32, columns, kernels.Codec);
        Ways = new ExchangeWays(rank, Hosts, options);
        MayHaveTokens = [.. Enumerable.Range(0, Hosts.World).Select(options.MayHaveTokens)];
        AllHostsHaveTokens = Enumerable.Range(0, Hosts.Hosts).All(host => Hosts.RanksOf(host).ToArray().Any(options.MayHaveTokens));
    }

    public int Rank { get; }

    public int Host { get; }

    public Topology Topology { get; }

    public HostMap Hosts { get; }

    /// <summary>Most slots of a layer that this rank may have, whatever the placement.</summary>
    public int MaxLocalSlots { get; }

    public ExchangeOptions Options { get; }

    /// <summary>Numbers of a row: the hidden size.</summary>
    public int Columns { get; }

    public int ExpertsPerToken { get; }

    public ScaledAdd Add { get; }

    public PayloadCodec DispatchCodec { get; }

    public PayloadCodec CombineCodec { get; }

    public PayloadCodec PartialCodec { get; }

    public ExchangeWays Ways { get; }

    /// <summary>For each rank, whether it may have tokens.</summary>
    public bool[] MayHaveTokens { get; }

    /// <summary>Whether on every host some rank may have tokens.</summary>
    public bool AllHostsHaveTokens { get; }

    public bool Forwards => Options.Path == ExchangePath.TwoHop;

    public bool Reduces => Options.Reduction == CombineReduction.InHost;

    /// <summary>Bytes of the largest record of a message.</summary>
    public int LargestRecord => Math.Max(
        TokenRecord.Bytes(ExpertsPerToken, Reduces, DispatchCodec.Bytes), Math.Max(CombineCodec.Bytes, Reduces ? PartialCodec.Bytes : 0));
}
