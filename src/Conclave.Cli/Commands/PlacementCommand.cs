using System.CommandLine;
using System.Text.Json;
using Conclave.Cli.Frame;
using Conclave.Parallel.Placement;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>conclave placement: which rank should hold which experts.</summary>
internal static class PlacementCommand
{
    public static Command Create()
    {
        Option<string> loads = new("--loads")
        {
            Description = "A JSON object: \"load\" (layers × experts), \"replicas\" (slots of all ranks), \"groups\", \"nodes\", \"gpus\"",
            HelpName = "FILE",
            Required = true,
        };
        Option<string> algorithm = new("--algorithm")
        {
            Description = "conclave, or eplb: what DeepSeek published", DefaultValueFactory = _ => "conclave",
        };
        algorithm.AcceptOnly("conclave", "eplb");
        Option<string?> previous = new("--previous")
        {
            Description = "Where experts are now: a JSON object with \"physical_to_logical\", as this command writes it", HelpName = "FILE",
        };
        Option<int?> budget = new("--move-budget")
        {
            Description = "Most experts that may be copied to ranks that do not have them, all layers together; default: any number", HelpName = "N",
        };
        Option<bool> json = new("--json") { Description = "Write one JSON object, with the expert of each slot" };
        CliCommand command = new(
            "placement", "Plans which rank holds which experts, from how many tokens each expert is given.",
            ("conclave placement --loads loads.json", "the load of the busiest rank in each layer, over the mean"),
            ("conclave placement --loads loads.json --algorithm eplb --json", "what DeepSeek's EPLB answers, for a program"),
            ("conclave placement --loads new.json --previous placement.json --move-budget 64 --json", "the best that 64 copied experts can do"))
        {
            loads, algorithm, previous, budget, json,
        };
        command.SetAction((result, cancellation) =>
        {
            if (result.GetValue(budget) is { } moves)
            {
                CheckBudget(moves, hasPrevious: result.GetValue(previous) is not null, result.GetRequiredValue(algorithm));
            }

            PlacementInput input = PlacementInput.Read(JsonCursor.ReadFile(result.GetRequiredValue(loads)));
            ExpertPlacement? now = result.GetValue(previous) is { } file ? PlacementInput.ReadPlacement(JsonCursor.ReadFile(file), input.Shape, input.Loads.Layers) : null;
            string name = result.GetRequiredValue(algorithm);
            ExpertPlacement placement = name == "eplb"
                ? Eplb.Plan(input.Shape, input.Loads)
                : PlacementPlanner.Plan(input.Shape, input.Loads, now, result.GetValue(budget));
            TextWriter output = result.InvocationConfiguration.Output;
            if (result.GetValue(json))
            {
                JsonOutput.WriteLine(output, writer => WriteJson(writer, name, input.Loads, placement, now));
            }
            else
            {
                WriteText(output, input.Loads, placement, now);
            }

            return Task.CompletedTask;
        });
        return command;
    }

    private static void CheckBudget(int moves, bool hasPrevious, string algorithm)
    {
        _ = NumberOptions.AtLeast("--move-budget", moves, 0);
        string? problem =
            !hasPrevious ? "it counts from a placement: give --previous FILE too"
            : algorithm == "eplb" ? "it needs --algorithm conclave: EPLB knows no previous placement"
            : null;
        if (problem is not null)
        {
            throw new UserErrorException($"--move-budget {moves}: {problem}");
        }
    }

    private static void WriteText(TextWriter output, ExpertLoads loads, ExpertPlacement placement, ExpertPlacement? previous)
    {
        for (int layer = 0; layer < placement.Layers; layer++)
        {
            output.WriteLine(
                $"layer {layer}: max/mean {LoadBalance.MaxOverMean(placement, loads, layer):F4}, at least {LoadBalance.LowerBound(placement.Shape, loads.Layer(layer)):F4}"
                + (previous is null ? "" : $"; before {LoadBalance.MaxOverMean(previous, loads, layer):F4}"));
        }

        if (previous is not null)
        {
            output.WriteLine($"experts to copy: {placement.CopiesFrom(previous)}");
        }
    }

    private static void WriteJson(Utf8JsonWriter json, string algorithm, ExpertLoads loads, ExpertPlacement placement, ExpertPlacement? previous)
    {
        json.WriteStartObject();
        json.WriteString("algorithm", algorithm);
        json.WriteStartArray("physical_to_logical");
        for (int layer = 0; layer < placement.Layers; layer++)
        {
            json.WriteStartArray();
            foreach (int expert in placement.Experts(layer))
            {
                json.WriteNumberValue(expert);
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
        WriteLayers(json, "max_over_mean", placement, layer => LoadBalance.MaxOverMean(placement, loads, layer));
        WriteLayers(json, "lower_bound", placement, layer => LoadBalance.LowerBound(placement.Shape, loads.Layer(layer)));
        if (previous is not null)
        {
            json.WriteNumber("copied_experts", placement.CopiesFrom(previous));
        }

        json.WriteEndObject();
    }

    private static void WriteLayers(Utf8JsonWriter json, string name, ExpertPlacement placement, Func<int, double> value) =>
        json.WriteArray(name, Enumerable.Range(0, placement.Layers).Select(value), json.WriteNumberValue);
}
