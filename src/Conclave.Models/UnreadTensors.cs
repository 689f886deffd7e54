using System.Globalization;
using Conclave.Checkpoints;

namespace Conclave.Models;

/// <summary>Which of the tensors that a model has not asked for tell of another model. Those of parts that are not computed here (towers for images, multi-token prediction) do not.</summary>
internal static class UnreadTensors
{
    private const string LayerPrefix = "model.layers.";
    private const string ExpertsInfix = ".mlp.experts.";

    // Of scales: those of inputs and caches, which are not quantized here. Zero points are those of symmetric formats, all 0.
    private static readonly string[] Harmless =
        ["rotary_emb.inv_freq", ".input_scale", ".output_scale", "activation_scale", ".q_scale", ".k_scale", ".v_scale", ".kv_scale", ".weight_zero_point"];

    /// <summary>Whether a tensor would change what the model computes, and was not asked for.</summary>
    public static bool Matter(StoredTensor tensor, ModelConfig config, HashSet<string> asked)
    {
        string name = tensor.Name;

        // Without elements: transformers writes shared experts of no width where there are none.
        return tensor.Bytes > 0 && IsOfModel(name, config) && !asked.Contains(name) && !IsScaleOfAsked(name, config, asked) && !IsOfRoutedExpert(name, config)
            && !Array.Exists(Harmless, end => name.EndsWith(end, StringComparison.Ordinal));
    }

    private static bool IsOfModel(string name, ModelConfig config) =>
        Layer(name) is { } layer
            ? layer < config.Layers
            : Array.Exists(["model.embed_tokens.", "model.norm.", "lm_head."], prefix => name.StartsWith(prefix, StringComparison.Ordinal));

    private static bool IsScaleOfAsked(string name, ModelConfig config, HashSet<string> asked) =>
        ScaleNames.TensorOf(name) is { } tensor && (asked.Contains(tensor) || IsOfRoutedExpert(tensor, config));

    // Another rank may be the one that asks for it.
    private static bool IsOfRoutedExpert(string name, ModelConfig config)
    {
        int at = name.IndexOf(ExpertsInfix, StringComparison.Ordinal);
        if (at < 0 || Layer(name) is not { } layer || !config.IsMoeLayer[layer])
        {
            return false;
        }

        string[] parts = name[(at + ExpertsInfix.Length)..].Split('.', 2);
        return parts is [var number, "gate_proj.weight" or "up_proj.weight" or "down_proj.weight"] && Number(number) < config.RoutedExperts;
    }

    private static int? Layer(string name) =>
        name.StartsWith(LayerPrefix, StringComparison.Ordinal) ? Number(name[LayerPrefix.Length..].Split('.', 2)[0]) : null;

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
