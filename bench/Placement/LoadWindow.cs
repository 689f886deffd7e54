using System.Text.Json;
using Conclave.Parallel.Placement;
using Conclave.Primitives;

namespace Conclave.Bench.Placements;

/// <summary>How many tokens each expert of each layer was given while some text was computed; a line of a recording.</summary>
internal sealed record LoadWindow(string Text, ExpertLoads Loads)
{
    public static IReadOnlyList<LoadWindow> Read(string file) =>
        [.. File.ReadLines(file).Select((line, number) => Parse($"{file}, line {number + 1}", line))];

    public void Write(TextWriter output)
    {
        var line = new { text = Text, loads = Enumerable.Range(0, Loads.Layers).Select(layer => Loads.Layer(layer).ToArray()) };
        output.WriteLine(JsonSerializer.Serialize(line));
    }

    private static LoadWindow Parse(string place, string line)
    {
        JsonCursor window = JsonCursor.Parse(place, System.Text.Encoding.UTF8.GetBytes(line));
        double[][] loads = [.. window.Required("loads").Items().Select(layer => layer.Items().Select(load => load.Double(0, ExpertLoads.Most)).ToArray())];
        return new LoadWindow(
            window.Required("text").String(), new ExpertLoads(loads.Length, loads.Length == 0 ? 0 : loads[0].Length, [.. loads.SelectMany(layer => layer)]));
    }
}
