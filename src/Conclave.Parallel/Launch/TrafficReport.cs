using Conclave.Parallel.Exchange;
using Conclave.Transport;

namespace Conclave.Parallel.Launch;

/// <summary>What all ranks of a launch have sent and how much memory they took, for people.</summary>
public static class TrafficReport
{
    private const double Megabyte = 1e6;

    private static readonly (LinkClass Link, string Name)[] Links =
        [(LinkClass.SameRank, "same rank"), (LinkClass.SameHost, "same host"), (LinkClass.CrossHost, "cross host")];

    /// <summary>Writes a line for each layer with experts, for all of them, for divided attention, for what balancing did if it was on, and for each rank.</summary>
    public static void Write(TextWriter output, IReadOnlyList<RankReport?> reports)
    {
        RankReport[] complete = [.. reports.OfType<RankReport>()];
        int layers = complete.Length == 0 ? 0 : complete.Min(report => report.Rows.Count);
        LinkTraffic[] total = new LinkTraffic[Links.Length];
        for (int layer = 0; layer < layers; layer++)
        {
            long[] rows = [.. complete.Select(report => report.Rows[layer])];
            if (rows.Sum() == 0)
            {
                continue;
            }

            LinkTraffic[] sums = [.. Links.Select(link => Sum(complete.Select(report => report.Links[layer][(int)link.Link])))];
            total = [.. total.Zip(sums, (a, b) => Sum([a, b]))];
            output.WriteLine($"layer {layer}: {Describe(sums)}; rows max/mean {rows.Max() / rows.Average():F2}{Describe([.. complete.Select(report => report.Times[layer])])}");
        }

        output.WriteLine($"total: {Describe(total)}{Describe([.. complete.Select(Total)])}");
        if (complete.Sum(report => report.Beside.Sum()) > 0)
        {
            output.WriteLine($"beside the exchanges: {string.Join(", ", Links.Select(link => $"{link.Name} {complete.Sum(report => report.Beside[(int)link.Link]) / Megabyte:F3} MB"))}");
        }

        if (complete.Sum(report => report.GatherBytes) is > 0 and long gathered)
        {
            output.WriteLine($"attention: {gathered / Megabyte:F3} MB between ranks that divide it");
        }

        if (complete.FirstOrDefault()?.Balance is { } balance)
        {
            string loads = balance.Windows == 0
                ? "no window of loads ended after that"
                : $"load max/mean {balance.Reached:F2} over the {balance.Windows} windows after that, {balance.Unbalanced:F2} had none moved";
            output.WriteLine(
                $"balancing: {balance.Epoch} epochs, {complete.Sum(report => report.Balance?.MovedBytes ?? 0) / Megabyte:F3} MB of experts moved; {loads}"
                + (balance.Abandoned > 0 ? $"; {balance.Abandoned} changes failed" : ""));
        }

        for (int rank = 0; rank < reports.Count; rank++)
        {
            if (reports[rank] is { } report)
            {
                string memory = report.Memory.Resident > 0
                    ? $"; {report.Memory.Resident / Megabyte:F1} MB resident, {report.Memory.Own / Megabyte:F1} MB without files"
                    : "";
                string failure = report.Balance?.Failure is { } what ? $"; {what}" : "";
                output.WriteLine($"rank {rank}: waited {report.Waited.TotalSeconds:F3} s for others{memory}{failure}");
            }
        }
    }

    private static ExchangeTime Total(RankReport report) =>
        new(TimeSpan.FromTicks(report.Times.Sum(time => time.Taken.Ticks)), TimeSpan.FromTicks(report.Times.Sum(time => time.Waited.Ticks)));

    /// <summary>The mean over ranks that had tokens.</summary>
    private static string Describe(ExchangeTime[] times)
    {
        double ranks = times.Count(time => time.Taken > TimeSpan.Zero);
        double taken = times.Sum(time => time.Taken.TotalMilliseconds) / ranks;
        double waited = times.Sum(time => time.Waited.TotalMilliseconds) / ranks;
        return ranks == 0 ? "" : $"; exchange {taken:F1} ms, {waited:F1} ms shown, {(taken - waited) / taken:P0} hidden";
    }

    private static LinkTraffic Sum(IEnumerable<LinkTraffic> links) => links.Aggregate(
        default(LinkTraffic),
        (a, b) => new LinkTraffic(a.PayloadBytes + b.PayloadBytes, a.MetadataBytes + b.MetadataBytes, a.FlatBytes + b.FlatBytes));

    private static string Describe(LinkTraffic[] links) => string.Join(", ", Links.Select((link, i) =>
    {
        LinkTraffic traffic = links[i];
        long bytes = traffic.PayloadBytes + traffic.MetadataBytes;
        return $"{link.Name} {bytes / Megabyte:F3} MB" + (traffic.FlatBytes > 0 ? $" ({(double)bytes / traffic.FlatBytes:P0} of flat)" : "");
    }));
}
