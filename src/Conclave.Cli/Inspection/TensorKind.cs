using System.Globalization;
using Conclave.Checkpoints;

namespace Conclave.Cli.Inspection;

/// <summary>What a tensor is for.</summary>
internal enum TensorKind
{
    Embedding,
    Attention,
    DenseMlp,
    Router,
    RoutedExperts,
    SharedExperts,
    Norms,
    OutputHead,
    MtpLayers,
    Other,
}

/// <summary>Kinds from names, as the released checkpoints give them.</summary>
internal static class TensorKinds
{
    private const string LayerPrefix = "model.layers.";

    /// <summary>The kind of the tensor of that name; scales are of the kind of what they scale.</summary>
    public static TensorKind Of(string name, ModelConfig config)
    {
        if (name.StartsWith("model.embed_tokens.", StringComparison.Ordinal))
        {
            return TensorKind.Embedding;
        }

        if (name.StartsWith("lm_head.", StringComparison.Ordinal))
        {
            return TensorKind.OutputHead;
        }

        if (name.StartsWith("model.norm.", StringComparison.Ordinal))
        {
            return TensorKind.Norms;
        }

        return name.StartsWith(LayerPrefix, StringComparison.Ordinal) ? OfLayer(name.AsSpan(LayerPrefix.Length), config) : TensorKind.Other;
    }

    /// <summary>The kind in a person's words.</summary>
    public static string Words(this TensorKind kind) => kind switch
    {
        TensorKind.DenseMlp => "dense MLP",
        TensorKind.RoutedExperts => "routed experts",
        TensorKind.SharedExperts => "shared experts",
        TensorKind.OutputHead => "output head",
        TensorKind.MtpLayers => "MTP layers",
        _ => kind.ToString().ToLowerInvariant(),
    };

    private static TensorKind OfLayer(ReadOnlySpan<char> name, ModelConfig config)
    {
        int dot = name.IndexOf('.');
        if (dot < 0 || !int.TryParse(name[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out int layer))
        {
            return TensorKind.Other;
        }

        ReadOnlySpan<char> part = name[(dot + 1)..];
        return layer >= config.Layers ? TensorKind.MtpLayers
            : part.StartsWith("self_attn.", StringComparison.Ordinal) ? TensorKind.Attention
            : part.StartsWith("mlp.experts.", StringComparison.Ordinal) ? TensorKind.RoutedExperts
            : part.StartsWith("mlp.shared_experts.", StringComparison.Ordinal) ? TensorKind.SharedExperts
            : part.StartsWith("mlp.gate.", StringComparison.Ordinal) ? TensorKind.Router
            : part.StartsWith("mlp.", StringComparison.Ordinal) ? TensorKind.DenseMlp
            : part.Contains("layernorm.", StringComparison.Ordinal) ? TensorKind.Norms
            : TensorKind.Other;
    }
}
