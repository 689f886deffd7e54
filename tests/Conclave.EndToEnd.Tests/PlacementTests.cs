using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

public sealed class PlacementTests
{
    private const string Two = """{"replicas":4,"groups":1,"nodes":1,"gpus":2,"load":[[6,4,1,1]]}""";

    // The file's loads are rounded to whole tokens; its max/mean is of what they were before.
    private const double Rounding = 2.5e-5;

    public static TheoryData<string, string> Mistakes => new()
    {
        { """{"groups":1,"nodes":1,"gpus":2,"load":[[6,4,1,1]]}""", "\"replicas\" is missing" },
        { """{"replicas":4,"groups":1,"nodes":1,"gpus":2}""", "\"load\" is missing" },
        { """{"replicas":4,"groups":1,"nodes":1,"gpus":2,"load":[]}""", "$.load: no layers" },
        { """{"replicas":4,"groups":1,"nodes":1,"gpus":2,"load":[[]]}""", "$.load[0]: 0 experts" },
        { """{"replicas":4,"groups":1,"nodes":1,"gpus":2,"load":[[1,2],[1]]}""", "$.load[1]: 1 experts; 2, as in the first layer" },
        { """{"replicas":4,"groups":1,"nodes":1,"gpus":2,"load":[[6,-4,1,1]]}""", "$.load[0][1]: -4" },
        { """{"replicas":4,"groups":1,"nodes":1,"gpus":2,"load":[[6,1e400,1,1]]}""", "$.load[0][1]: 1e400" },
        { """{"replicas":4,"groups":1,"nodes":1,"gpus":2,"load":[[6,"NaN",1,1]]}""", "$.load[0][1]: \"NaN\"" },
        { """{"replicas":4,"groups":1,"nodes":0,"gpus":2,"load":[[6,4,1,1]]}""", "loads.json: $.nodes: 0; a whole number" },
        { """{"replicas":3,"groups":1,"nodes":1,"gpus":3,"load":[[6,4,1,1]]}""", "3 slots for 4 experts" },
        { """{"replicas":5,"groups":1,"nodes":1,"gpus":2,"load":[[6,4,1,1]]}""", "5 slots on 2 ranks" },
        { """{"replicas":4,"groups":3,"nodes":1,"gpus":2,"load":[[6,4,1,1]]}""", "3 groups of 4 experts" },
        { """{"replicas":4,"groups":1,"nodes":0,"gpus":2,"load":[[6,4,1,1]]}""", "$.nodes: 0" },
        { """{"replicas":2000000000,"groups":1,"nodes":1,"gpus":2,"load":[[6,4,1,1]]}""", "$.replicas: 2000000000" },
        { "[1]", "an object is expected" },
        { """{"load":""", "not valid JSON" },
    };

    [Fact]
    public void Published_cases_are_never_answered_worse()
    {
        using TemporaryFolder folder = new();
        foreach (JsonNode? node in JsonNode.Parse(File.ReadAllBytes(Repository.Data("formats", "eplb.json")))!["cases"]!.AsArray())
        {
            JsonObject published = node!.AsObject();
            double[] expected = published["gpu_max_over_mean"]!.Deserialize<double[]>()!;
            foreach (string answer in (string[])["physical_to_logical", "logical_count", "gpu_max_over_mean"])
            {
                published.Remove(answer);
            }

            string file = folder.File("loads.json");
            File.WriteAllText(file, published.ToJsonString());
            foreach (string algorithm in (string[])["eplb", "conclave"])
            {
                CliResult result = Cli.Run("placement", "--loads", file, "--algorithm", algorithm, "--json");
                Assert.Equal((0, ""), (result.Code, result.Error));
                JsonElement answer = JsonDocument.Parse(result.Output).RootElement;
                double[] reached = answer.GetProperty("max_over_mean").Deserialize<double[]>()!;
                Assert.Equal(expected.Length, reached.Length);
                Assert.All(reached.Zip(expected), layer => Assert.InRange(layer.First, 1 - Rounding, layer.Second + Rounding));
                Assert.All(reached.Zip(answer.GetProperty("lower_bound").Deserialize<double[]>()!), layer => Assert.InRange(layer.Second, 1, layer.First + Rounding));
                Assert.All(
                    answer.GetProperty("physical_to_logical").Deserialize<int[][]>()!,
                    slots => Assert.Equal(published["replicas"]!.GetValue<int>(), slots.Length));
            }
        }
    }

    [Fact]
    public void A_placement_goes_on_from_what_the_command_wrote()
    {
        using TemporaryFolder folder = new();
        string loads = folder.File("loads.json");
        string previous = folder.File("previous.json");
        File.WriteAllText(loads, Two);
        File.WriteAllText(previous, """{"physical_to_logical":[[0,1,2,3]]}""");
        CliResult moved = Cli.Run("placement", "--loads", loads, "--previous", previous, "--move-budget", "2", "--json");
        Assert.Equal((0, ""), (moved.Code, moved.Error));
        JsonElement answer = JsonDocument.Parse(moved.Output).RootElement;
        Assert.Equal(2, answer.GetProperty("copied_experts").GetInt32());
        Assert.Equal(7.0 / 6, answer.GetProperty("max_over_mean")[0].GetDouble(), 1e-9);

        File.WriteAllText(previous, moved.Output);
        CliResult again = Cli.Run("placement", "--loads", loads, "--previous", previous);
        Assert.Equal((0, "layer 0: max/mean 1.1667, at least 1.0000; before 1.1667\nexperts to copy: 0\n"), (again.Code, again.Output));
    }

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Loads_are_not_believed(string loads, string named)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("loads.json"), loads);
        AssertMistake(named, "placement", "--loads", folder.File("loads.json"));
    }

    [Theory]
    [InlineData("""{"physical_to_logical":[[0,1,2]]}""", "$.physical_to_logical[0]: 3 slots")]
    [InlineData("""{"physical_to_logical":[[0,1,2,4]]}""", "$.physical_to_logical[0][3]: 4")]
    [InlineData("""{"physical_to_logical":[[0,1,2,2]]}""", "no slot holds expert 3")]
    [InlineData("""{"physical_to_logical":[[0,1,2,3],[0,1,2,3]]}""", "2 layers")]
    [InlineData("""{"physical_to_logical":[]}""", "0 layers")]
    [InlineData("{}", "\"physical_to_logical\" is missing")]
    public void Nor_are_previous_placements(string previous, string named)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("loads.json"), Two);
        File.WriteAllText(folder.File("previous.json"), previous);
        AssertMistake(named, "placement", "--loads", folder.File("loads.json"), "--previous", folder.File("previous.json"));
        AssertMistake(named, "placement", "--algorithm", "eplb", "--loads", folder.File("loads.json"), "--previous", folder.File("previous.json"));
    }

    [Fact]
    public void Budgets_that_mean_nothing_are_refused()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("loads.json"), Two);
        AssertMistake("give --previous FILE too", "placement", "--loads", folder.File("loads.json"), "--move-budget", "1");
        AssertMistake("--move-budget -1", "placement", "--loads", folder.File("loads.json"), "--previous", "x", "--move-budget", "-1");
        AssertMistake(
            "EPLB knows no previous placement", "placement", "--loads", folder.File("loads.json"), "--previous", "x", "--move-budget", "1", "--algorithm", "eplb");
    }

    private static void AssertMistake(string named, params string[] arguments)
    {
        CliResult result = Cli.Run(arguments);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.Contains(named, result.Error);
        Assert.InRange(result.Error.Count(character => character == '$'), 0, 1);
    }
}
