using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Transport;

namespace Conclave.Parallel.Launch;

/// <summary>What one rank tells at its end.</summary>
/// <param name="Memory">Memory at its end.</param>
/// <param name="Waited">How long its exchange had nothing to do but wait for others.</param>
/// <param name="Rows">Rows that its experts computed, by layer.</param>
/// <param name="Links">What it sent, by layer and <see cref="LinkClass"/>.</param>
/// <param name="Times">What exchanges in which it had tokens took, by layer.</param>
public sealed record RankReport(RankMemory Memory, TimeSpan Waited, IReadOnlyList<long> Rows, IReadOnlyList<LinkTraffic[]> Links, IReadOnlyList<ExchangeTime> Times)
{
    // Of bytes, rows and ticks: petabytes and years. Sums over layers and ranks stay below what a number holds.
    private const long Most = 1L << 50;

    /// <summary>What balancing did; null where experts stayed.</summary>
    public BalanceReport? Balance { get; init; }

    /// <summary>Bytes that it sent to the ranks that divide attention with it.</summary>
    public long GatherBytes { get; init; }

    /// <summary>Bytes that it sent beside the exchanges, by <see cref="LinkClass"/>.</summary>
    public IReadOnlyList<long> Beside { get; init; } = new long[ExchangeTraffic.LinkClasses];

    internal static RankReport Of(RankMemory memory, RankMembership? membership)
    {
        ExchangeTraffic? traffic = membership?.Exchange.Traffic;
        int[] layers = [.. Enumerable.Range(0, traffic?.Layers ?? 0)];
        return new RankReport(
            memory,
            traffic?.Waited ?? TimeSpan.Zero,
            [.. layers.Select(layer => traffic!.Rows(layer))],
            [.. layers.Select(layer => Enumerable.Range(0, ExchangeTraffic.LinkClasses).Select(link => traffic!.Of(layer, (LinkClass)link)).ToArray())],
            [.. layers.Select(layer => traffic!.Time(layer))])
        {
            Balance = membership?.Balance, GatherBytes = membership?.GatherBytes ?? 0,
            Beside = [.. Enumerable.Range(0, ExchangeTraffic.LinkClasses).Select(link => traffic?.Beside((LinkClass)link) ?? 0)],
        };
    }

    internal ControlWriter Write()
    {
        ControlWriter writer = new ControlWriter().Int64(Memory.Resident).Int64(Memory.Own).Int64(Waited.Ticks).Int32(Rows.Count);
        for (int layer = 0; layer < Rows.Count; layer++)
        {
            writer.Int64(Rows[layer]).Int64(Times[layer].Taken.Ticks).Int64(Times[layer].Waited.Ticks);
            foreach (LinkTraffic link in Links[layer])
            {
                writer.Int64(link.PayloadBytes).Int64(link.MetadataBytes).Int64(link.FlatBytes);
            }
        }

        foreach (long bytes in Beside)
        {
            writer.Int64(bytes);
        }

        writer.Int64(GatherBytes).Int32(Balance is null ? 0 : 1);
        if (Balance is { } balance)
        {
            writer.Int64(balance.Epoch).Int64(balance.MovedBytes).Int32(balance.Windows).Double(balance.Reached).Double(balance.Unbalanced)
                .Int32(balance.Abandoned).Text(balance.Failure ?? "", ControlLimits.MostSentenceBytes);
        }

        return writer;
    }

    internal static RankReport Read(ControlFrame frame)
    {
        ControlReader reader = new(frame.Kind, frame.Body);
        RankMemory memory = new(reader.Int64("resident memory", Most), reader.Int64("own memory", Most));
        TimeSpan waited = TimeSpan.FromTicks(reader.Int64("waited", Most));
        long[] rows = new long[reader.Int32("layers", 0, MessageTag.MaxLayers)];
        LinkTraffic[][] links = new LinkTraffic[rows.Length][];
        ExchangeTime[] times = new ExchangeTime[rows.Length];
        for (int layer = 0; layer < rows.Length; layer++)
        {
            rows[layer] = reader.Int64("rows", Most);
            times[layer] = new ExchangeTime(TimeSpan.FromTicks(reader.Int64("taken", Most)), TimeSpan.FromTicks(reader.Int64("waited", Most)));
            links[layer] = new LinkTraffic[ExchangeTraffic.LinkClasses];
            foreach (ref LinkTraffic link in links[layer].AsSpan())
            {
                link = new LinkTraffic(reader.Int64("payload", Most), reader.Int64("metadata", Most), reader.Int64("flat", Most));
            }
        }

        long[] beside = new long[ExchangeTraffic.LinkClasses];
        foreach (ref long bytes in beside.AsSpan())
        {
            bytes = reader.Int64("bytes beside", Most);
        }

        long gatherBytes = reader.Int64("gathered bytes", Most);
        BalanceReport? balance = reader.Int32("a balance", 0, 1) == 0 ? null : new BalanceReport(
            reader.Int64("epochs", Most),
            reader.Int64("moved bytes", Most),
            reader.Int32("windows", 0, int.MaxValue),
            reader.Double("reached"),
            reader.Double("unbalanced"),
            reader.Int32("abandoned placements", 0, int.MaxValue),
            reader.Text("a failure", ControlLimits.MostSentenceBytes) is { Length: > 0 } failure ? failure : null);
        reader.End();
        return new RankReport(memory, waited, rows, links, times) { Balance = balance, GatherBytes = gatherBytes, Beside = beside };
    }
}
