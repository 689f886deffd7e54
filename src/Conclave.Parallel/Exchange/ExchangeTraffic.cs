using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Exchange;

/// <summary>Bytes of one layer over one link class.</summary>
/// <param name="PayloadBytes">Numbers of rows, scales included, that this rank sent.</param>
/// <param name="MetadataBytes">What it sent beside them: which token, which slots, weights, the messages' envelopes.</param>
/// <param name="FlatBytes">What the baseline would send for this rank's tokens: one bfloat16 copy for each chosen expert and one back, payload alone.</param>
public readonly record struct LinkTraffic(long PayloadBytes, long MetadataBytes, long FlatBytes);

/// <summary>The time of one layer's exchanges.</summary>
/// <param name="Taken">From the beginnings of dispatches and combines until everything had arrived, what others computed meanwhile included.</param>
/// <param name="Waited">What of that this rank stood waiting; the rest was hidden under its own computation.</param>
public readonly record struct ExchangeTime(TimeSpan Taken, TimeSpan Waited);

/// <summary>
/// What the exchanges of a rank have sent, for each layer and link class, and what its experts got, against the flat baseline for the same routing. Summed over all ranks the two compare;
/// on one rank they need not, because it sends for others' tokens too.
/// </summary>
public sealed class ExchangeTraffic
{
    internal const int LinkClasses = (int)LinkClass.CrossHost + 1;

    private readonly ChoiceCounts _choices;
    private readonly Topology _topology;
    private readonly int _rank;
    private readonly long _copyAndBack;
    private readonly LinkTraffic[] _links;
    private readonly long[] _rows;
    private readonly long[] _beside = new long[LinkClasses];
    private readonly ExchangeTime[] _times;

    internal ExchangeTraffic(ChoiceCounts choices, Topology topology, int rank, int columns)
    {
        _choices = choices;
        _topology = topology;
        _rank = rank;
        _copyAndBack = 2L * columns * ElementFormat.BF16.Size();
        _links = new LinkTraffic[choices.Layers * LinkClasses];
        _rows = new long[choices.Layers];
        _times = new ExchangeTime[choices.Layers];
    }

    /// <summary>Number of layers, those without experts included.</summary>
    public int Layers => _rows.Length;

    /// <summary>The traffic of a layer over a link class so far.</summary>
    public LinkTraffic Of(int layer, LinkClass link) => Link(layer, link) with { FlatBytes = FlatBytes(layer, link) };

    /// <summary>How long this rank had nothing to do but wait for others.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>Rows that this rank's experts of a layer were given so far.</summary>
    public long Rows(int layer) => _rows[layer];

    /// <summary>Bytes that went over a link class beside the exchanges so far: hidden states, loads, placements.</summary>
    public long Beside(LinkClass link) => _beside[(int)link];

    /// <summary>What the exchanges of a layer took so far, of those in which this rank had tokens.</summary>
    public ExchangeTime Time(int layer) => _times[layer];

    internal void CountBeside(LinkClass link, int bytes) => _beside[(int)link] += bytes;

    internal void CountTime(int layer, TimeSpan taken, TimeSpan waited) => _times[layer] = new ExchangeTime(_times[layer].Taken + taken, _times[layer].Waited + waited);

    internal void CountWait(TimeSpan time) => Waited += time;

    internal void CountRows(int layer, int rows) => _rows[layer] += rows;

    internal void CountMessage(int layer, LinkClass link, int payload, int metadata)
    {
        ref LinkTraffic traffic = ref Link(layer, link);
        traffic = traffic with { PayloadBytes = traffic.PayloadBytes + payload, MetadataBytes = traffic.MetadataBytes + metadata };
    }

    private long FlatBytes(int layer, LinkClass link)
    {
        long copies = 0;
        ReadOnlySpan<long> chosen = _choices.Ranks(layer);
        for (int rank = 0; rank < chosen.Length; rank++)
        {
            copies += _topology.Between(_rank, rank) == link ? chosen[rank] : 0;
        }

        return copies * _copyAndBack;
    }

    private ref LinkTraffic Link(int layer, LinkClass link) => ref _links[(layer * LinkClasses) + (int)link];
}
