using Conclave.Checkpoints;

namespace Conclave.Cli.Inspection;

/// <summary>A model's configuration as a person would describe it.</summary>
internal static class ConfigurationWords
{
    /// <summary>A topic and a sentence for each part of the model.</summary>
    public static IEnumerable<(string Topic, string Words)> Describe(ModelConfig config)
    {
        int moe = config.IsMoeLayer.Count(isMoe => isMoe);
        yield return ("model", $"{config.ModelType}: {config.Layers} layers ({config.Layers - moe} dense, {moe} mixture of experts)"
            + (config.MtpLayers > 0 ? $" and {config.MtpLayers} for multi-token prediction" : "")
            + $", hidden size {config.HiddenSize}, vocabulary {config.VocabularySize:N0}, context {config.MaxPositions:N0} tokens");
        yield return ("attention", $"MLA, {config.Heads} heads; "
            + (config.QueryLoraRank is { } rank ? $"queries through rank {rank}" : "queries projected directly")
            + $"; keys {config.NopeDim} + {config.RopeDim} rotated, values {config.ValueDim}; cached: latent {config.LatentDim} + rotated key {config.RopeDim}");
        yield return ("positions", $"RoPE, theta {config.RopeTheta:G}, {(config.RopeInterleaved ? "interleaved pairs" : "two halves")}"
            + (config.Yarn is { } yarn
                ? $"; YaRN × {yarn.Factor:G} beyond {yarn.OriginalMaxPositions:N0} tokens (beta {yarn.BetaFast:G}…{yarn.BetaSlow:G}, "
                    + $"mscale {yarn.Mscale:G}, of all dimensions {yarn.MscaleAllDim:G}{(yarn.AttentionFactor is { } attention ? $", attention factor {attention:G}" : "")})"
                : ""));
        if (moe < config.Layers)
        {
            yield return ("dense MLP", $"width {config.IntermediateSize}");
        }

        if (moe > 0)
        {
            yield return ("experts", $"{config.RoutedExperts} routed of width {config.MoeIntermediateSize}, {config.ExpertsPerToken} for each token; {config.SharedExperts} shared");
            yield return ("router", (config.Scoring == RouterScoring.Sigmoid ? "sigmoid" : "softmax") + " scores, " + Selection(config)
                + $"; weights {(config.NormalizeTopK ? "normalized, " : "")}× {config.RoutedScalingFactor:G}");
        }

        yield return ("head", config.TieWordEmbeddings ? "the embedding" : "a matrix of its own");
        yield return ("tokens", $"begin {config.BosToken?.ToString() ?? "none"}, end {(config.EosTokens.Count > 0 ? string.Join(", ", config.EosTokens) : "none")}");
        if (config.ScaleBlock is { } block)
        {
            string shared = block.Columns < config.HiddenSize ? $"{block.Rows} × {block.Columns} block" : block.Rows == 1 ? "row" : "matrix";
            yield return ("FP8", $"E4M3 with a scale for each {shared}");
        }
    }

    private static string Selection(ModelConfig config) => config.Selection switch
    {
        RouterSelection.Greedy => "the highest are chosen",
        RouterSelection.GroupLimitedGreedy => $"the highest in the best {config.GroupsPerToken} of {config.ExpertGroups} groups are chosen",
        _ => $"the highest with correction bias in the best {config.GroupsPerToken} of {config.ExpertGroups} groups are chosen (noaux_tc)",
    };
}
