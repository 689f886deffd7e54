using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>Which layers are mixtures of experts, in either dialect of <c>config.json</c>.</summary>
internal static class MoeLayers
{
    /// <summary>
    /// Released files: layer l is MoE iff l ≥ first_k_dense_replace and l is a multiple of moe_layer_freq (or moe_layer_freq[l] is 1).
    /// transformers 5: mlp_layer_types[l] is "sparse". Where both are given they must agree, since no reader knows which one to believe.
    /// </summary>
    public static bool[] Read(JsonCursor root, int layers, int mtpLayers, int firstDenseWhereAbsent)
    {
        if (root.Optional("mlp_layer_types") is not { } types)
        {
            return ByFrequency(root, layers, mtpLayers, firstDenseWhereAbsent);
        }

        bool[] isMoe = PerLayer(types, layers, mtpLayers, item => item.String() switch
        {
            "dense" => false,
            "sparse" => true,
            _ => throw item.Error($"{item.Describe()}; \"dense\" or \"sparse\" is expected"),
        });
        if (root.Optional("first_k_dense_replace") is { } first
            && !isMoe.AsSpan().SequenceEqual(ByFrequency(root, layers, mtpLayers, firstDenseWhereAbsent)))
        {
            throw types.Error($"contradicts first_k_dense_replace = {first.Describe()}; remove the one that is wrong");
        }

        return isMoe;
    }

    private static bool[] ByFrequency(JsonCursor root, int layers, int mtpLayers, int firstDenseWhereAbsent)
    {
        JsonCursor? frequency = root.Optional("moe_layer_freq");
        bool isList = frequency is { Kind: System.Text.Json.JsonValueKind.Array };
        int firstDense = root.Optional("first_k_dense_replace")?.Int32(0, int.MaxValue) ?? (isList ? 0 : firstDenseWhereAbsent);
        bool[] isMoe = new bool[layers];
        if (isList)
        {
            isMoe = PerLayer(frequency!.Value, layers, mtpLayers, item => item.Int32(0, 1) == 1);
        }
        else
        {
            int every = frequency?.Int32(1, int.MaxValue) ?? 1;
            for (int layer = 0; layer < layers; layer++)
            {
                isMoe[layer] = layer % every == 0;
            }
        }

        isMoe.AsSpan(0, Math.Min(firstDense, layers)).Clear();
        return isMoe;
    }

    private static bool[] PerLayer(JsonCursor list, int layers, int mtpLayers, Func<JsonCursor, bool> read)
    {
        bool[] values = [.. list.Items().Take(layers + mtpLayers + 1).Select(read)];
        if (values.Length != layers && values.Length != layers + mtpLayers)
        {
            string given = values.Length > layers + mtpLayers ? $"more than {layers + mtpLayers}" : $"{values.Length}";
            throw list.Error($"{given} items; one for each of num_hidden_layers = {layers} layers is expected");
        }

        return values[..layers];
    }
}
