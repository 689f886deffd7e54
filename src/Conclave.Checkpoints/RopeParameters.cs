using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>Rotary position parameters, in either dialect of <c>config.json</c>.</summary>
internal static class RopeParameters
{
    private const double DefaultTheta = 10000;
    private const double MaxTheta = 1e12;

    /// <summary>What the modelling code released with DeepSeek-V2 and V3 assumes for a YaRN scaling that does not say it.</summary>
    private const int ReleasedOriginalPositions = 4096;

    public static (double Theta, YarnScaling? Yarn) Read(JsonCursor root, int maxPositions)
    {
        JsonCursor? scaling = root.Optional("rope_scaling");
        JsonCursor? parameters = scaling ?? root.Optional("rope_parameters");
        foreach (string name in (ReadOnlySpan<string>)["rope_scaling", "rope_parameters"])
        {
            if (root.Optional(name) is { } said)
            {
                CheckWhole(said);
            }
        }

        double theta = (root.Optional("rope_parameters")?.Optional("rope_theta") ?? scaling?.Optional("rope_theta") ?? root.Optional("rope_theta"))
            ?.Double(1, MaxTheta) ?? DefaultTheta;
        int originalWhereAbsent = scaling is null ? maxPositions : Math.Min(ReleasedOriginalPositions, maxPositions);
        return (theta, parameters is { } given ? Scaling(given, originalWhereAbsent) : null);
    }

    /// <summary>Refuses positions that rotate a part of the dimensions, wherever they may be said to.</summary>
    public static void CheckWhole(JsonCursor given)
    {
        if (given.Optional("partial_rotary_factor") is { } partial && partial.Double(0, 1) != 1)
        {
            throw partial.Error($"{partial.Describe()}; only 1 is supported: the whole of qk_rope_head_dim is rotated");
        }
    }

    private static YarnScaling? Scaling(JsonCursor given, int originalWhereAbsent)
    {
        JsonCursor? type = given.Optional("rope_type") ?? given.Optional("type");
        switch (type?.String())
        {
            case null when !given.Has("factor"):
            case "default":
                return null;
            case "yarn":
                break;
            case null:
                throw given.Error("\"rope_type\" (or \"type\") is missing");
            default:
                throw type.Value.Error($"{type.Value.Describe()}; \"yarn\" or \"default\" is expected, other scalings are not supported");
        }

        if (given.Optional("truncate") is { } truncate && !truncate.Boolean())
        {
            throw truncate.Error("false; correction dimensions that are not whole numbers are not supported");
        }

        YarnScaling yarn = new(
            given.Required("factor").Double(1, 1e6),
            given.Optional("original_max_position_embeddings")?.Int32(1, 1 << 30) ?? originalWhereAbsent,
            given.Optional("beta_fast")?.Double(1e-6, 1e6) ?? 32,
            given.Optional("beta_slow")?.Double(1e-6, 1e6) ?? 1,
            given.Optional("mscale")?.Double(0, 1e3) ?? 1,
            given.Optional("mscale_all_dim")?.Double(0, 1e3) ?? 0)
        {
            AttentionFactor = given.Optional("attention_factor")?.Double(0, 1e3),
        };
        if (yarn.BetaFast < yarn.BetaSlow)
        {
            throw given.Error($"beta_fast = {yarn.BetaFast} is below beta_slow = {yarn.BetaSlow}; at least as much is expected");
        }

        return yarn;
    }
}
