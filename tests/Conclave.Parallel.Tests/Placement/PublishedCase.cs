using System.Text.Json;
using Conclave.Parallel.Placement;
using Conclave.Testing;

namespace Conclave.Parallel.Tests.Placement;

/// <summary>A case that the published EPLB answered.</summary>
internal sealed record PublishedCase(string Name, PlacementShape Shape, ExpertLoads Loads, int[][] PhysicalToLogical, double[] MaxOverMean)
{
    public static IReadOnlyList<PublishedCase> All { get; } = Load();

    public static PublishedCase Find(string name) => All.First(published => published.Name == name);

    private static PublishedCase[] Load()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Repository.Data("formats", "eplb.json")));
        return [.. document.RootElement.GetProperty("cases").EnumerateArray().Select(Read)];
    }

    private static PublishedCase Read(JsonElement element)
    {
        double[][] load = element.GetProperty("load").Deserialize<double[][]>()!;
        int Number(string name) => element.GetProperty(name).GetInt32();
        return new PublishedCase(
            element.GetProperty("name").GetString()!,
            new PlacementShape(load[0].Length, Number("replicas"), Number("groups"), Number("nodes"), Number("gpus")),
            new ExpertLoads(load.Length, load[0].Length, [.. load.SelectMany(row => row)]),
            element.GetProperty("physical_to_logical").Deserialize<int[][]>()!,
            element.GetProperty("gpu_max_over_mean").Deserialize<double[]>()!);
    }
}
