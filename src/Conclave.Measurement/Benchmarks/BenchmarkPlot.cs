using System.Text;

namespace Conclave.Measurement;

/// <summary>Draws a report as an SVG file: a bar for the median of each row, a line for the range of its runs.</summary>
public static class BenchmarkPlot
{
    private const int Width = 1040;
    private const int Left = 350;
    private const int Right = 820;
    private const int RowHeight = 22;
    private const int BarHeight = 12;

    /// <summary>The document; it refers to nothing outside itself.</summary>
    public static string Svg(BenchmarkReport report)
    {
        StringBuilder body = new();
        string machine = string.Join(
            " · ",
            new[] { "machine", "isa", "threads", "runtime" }.Where(report.Setting.ContainsKey)
                .Select(name => name == "threads" ? $"threads: {report.Setting[name]}" : report.Setting[name]));
        int y = SvgPage.Title(body, report.Setting.GetValueOrDefault("model", "Operators on weights that no cache holds"), machine);

        Bar[] shares = [.. report.Rows.Where(row => row.Shares.Length > 0).Select(row => new Bar(row, row.Shares))];
        if (shares.Length > 0)
        {
            y = Panel(body, y + 36, "Share of the roofline: median, and the range of the runs", shares, atLeast: 1, value => $"{value:P0}");
        }

        Bar[] starts =
        [
            .. report.Rows.Where(row => row.Group == BenchmarkReport.Start).Select(row => new Bar(row, [.. row.Speeds.Select(speed => 1 / speed)])),
        ];
        if (starts.Length > 0)
        {
            y = Panel(body, y + 36, "Seconds from the start of the process to the first token", starts, atLeast: 0, value => $"{value:0.##} s");
        }

        return SvgPage.Document(Width, y + 24, body);
    }

    /// <summary>Bars below each other on an axis from 0 to <paramref name="atLeast"/>, which gets a line of its own, or further; returns where it ends.</summary>
    private static int Panel(StringBuilder body, int top, string heading, Bar[] bars, double atLeast, Func<double, string> tick)
    {
        double step = SvgPage.Step(Math.Max(bars.Max(bar => bar.High), atLeast));
        double end = step * Math.Ceiling(Math.Max(bars.Max(bar => bar.High), atLeast) / step);
        double X(double value) => Left + (value / end * (Right - Left));
        string[] groups = [.. bars.Select(bar => bar.Row.Group).Distinct()];
        string Colour(string group) => SvgPage.Colour(Array.IndexOf(groups, group));

        body.Append($"""<text x="20" y="{top}" class="heading">{SvgPage.Escape(heading)}</text>""").Append('\n');
        int first = top + 26;
        if (groups.Length > 1)
        {
            for (int i = 0; i < groups.Length; i++)
            {
                int x = Left + (i * 190);
                body.Append($"""<rect x="{x}" y="{top + 12}" width="10" height="10" rx="2" fill="{Colour(groups[i])}"/>""");
                body.Append($"""<text x="{x + 15}" y="{top + 21}" class="note">{SvgPage.Escape(groups[i])}</text>""").Append('\n');
            }

            first += 22;
        }

        int bottom = first + (bars.Length * RowHeight);
        for (int i = 0; i * step <= end * 1.001; i++)
        {
            body.Append($"""<path d="M{X(i * step):F1} {first}V{bottom}" class="grid"/>""");
            body.Append($"""<text x="{X(i * step):F1}" y="{first - 6}" text-anchor="middle" class="note">{tick(i * step)}</text>""").Append('\n');
        }

        if (atLeast > 0)
        {
            body.Append($"""<path d="M{X(atLeast):F1} {first}V{bottom}" class="limit"/>""").Append('\n');
        }

        int y = first;
        foreach (Bar bar in bars)
        {
            int middle = y + (RowHeight / 2);
            body.Append($"""<text x="{Left - 10}" y="{middle + 4}" text-anchor="end">{SvgPage.Escape(bar.Row.Label)}</text>""");
            body.Append($"""<rect x="{Left}" y="{middle - (BarHeight / 2)}" width="{X(bar.Median) - Left:F1}" height="{BarHeight}" rx="2" fill="{Colour(bar.Row.Group)}"/>""");
            body.Append($"""<path d="M{X(bar.Low):F1} {middle - 4}v8m0 -4H{X(bar.High):F1}m0 -4v8" class="range"/>""");
            body.Append($"""<text x="{Right + 52}" y="{middle + 4}" text-anchor="end">{tick(bar.Median)}</text>""");
            body.Append($"""<text x="{Right + 62}" y="{middle + 4}" class="note">{SvgPage.Escape(bar.Note)}</text>""").Append('\n');
            y += RowHeight;
        }

        return bottom;
    }

    private readonly record struct Bar(BenchmarkRow Row, double[] Values)
    {
        public double Low => Values.Min();

        public double Median => RunRatio.MedianOf(Values);

        public double High => Values.Max();

        // The figure of a start is the bar itself.
        public string Note => Row.Group == BenchmarkReport.Start ? "" : Row.Figure;
    }
}
