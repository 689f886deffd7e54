using Conclave.Primitives;

namespace Conclave.Parallel.Placement;

/// <summary>What is to be placed, and what was placed before, as files say it.</summary>
/// <param name="Shape">Experts, slots and ranks.</param>
/// <param name="Loads">The loads to place for.</param>
public sealed record PlacementInput(PlacementShape Shape, ExpertLoads Loads)
{
    private const int MostSlotsOfAllLayers = 1 << 26;

    /// <summary>
    /// Reads an object with the fields of published EPLB cases: "load" (layers × experts), "replicas" (slots of all ranks), "groups" of experts, "nodes" (hosts)
    /// and "gpus" (ranks). Other fields are ignored.
    /// </summary>
    /// <exception cref="UserErrorException">A field is missing or out of range, or they cannot be together.</exception>
    public static PlacementInput Read(JsonCursor input)
    {
        JsonCursor load = input.Required("load");
        List<double> values = [];
        int layers = 0;
        int experts = 0;
        foreach (JsonCursor layer in load.Items())
        {
            int before = values.Count;
            values.AddRange(layer.Items().Select(expert => expert.Double(0, ExpertLoads.Most)));
            int here = values.Count - before;
            experts = layers == 0 ? here : experts;
            if (here == 0 || here != experts)
            {
                throw layer.Error($"{here} experts; {(layers == 0 ? "at least one is" : $"{experts}, as in the first layer, are")} expected");
            }

            layers++;
        }

        if (layers == 0)
        {
            throw load.Error("no layers; at least one is expected");
        }

        int slots = Number("replicas");
        if ((long)layers * slots > MostSlotsOfAllLayers)
        {
            throw input.Required("replicas").Error($"{slots} for each of {layers} layers; at most {MostSlotsOfAllLayers} of all layers are expected");
        }

        (int groups, int hosts, int ranks) = (Number("groups"), Number("nodes"), Number("gpus"));
        try
        {
            PlacementShape shape = new(experts, slots, groups, hosts, ranks);
            return new PlacementInput(shape, new ExpertLoads(layers, experts, [.. values]));
        }
        catch (UserErrorException e)
        {
            throw input.Error(e.Message);
        }

        int Number(string name) => input.Required(name).Int32(1, int.MaxValue);
    }

    /// <summary>Reads the "physical_to_logical" (layers × slots) of an object: the expert of each slot.</summary>
    /// <exception cref="UserErrorException">The field is missing, or is no placement of the shape and so many layers.</exception>
    public static ExpertPlacement ReadPlacement(JsonCursor input, PlacementShape shape, int layers)
    {
        JsonCursor placement = input.Required("physical_to_logical");
        List<int> experts = [];
        foreach (JsonCursor layer in placement.Items())
        {
            int before = experts.Count;
            experts.AddRange(layer.Items().Select(slot => slot.Int32(0, shape.Experts - 1)));
            if (experts.Count - before != shape.Slots)
            {
                throw layer.Error($"{experts.Count - before} slots; {shape.Slots} are expected");
            }
        }

        if (experts.Count != (long)layers * shape.Slots)
        {
            throw placement.Error($"{experts.Count / shape.Slots} layers; {layers}, as there are loads of, are expected");
        }

        try
        {
            return new ExpertPlacement(shape, [.. experts]);
        }
        catch (UserErrorException e)
        {
            throw placement.Error(e.Message);
        }
    }
}
