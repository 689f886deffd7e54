using Conclave.Checkpoints;

namespace Conclave.Models.Tests;

/// <summary>Small configurations to vary.</summary>
internal static class Configs
{
    public static ModelConfig Routing(
        int experts,
        int perToken,
        RouterScoring scoring = RouterScoring.Sigmoid,
        RouterSelection selection = RouterSelection.NoAuxTc,
        int groups = 1,
        int groupsPerToken = 1,
        bool normalize = true,
        double scale = 1) => new()
        {
            ModelType = "deepseek_v3",
            VocabularySize = 16,
            HiddenSize = 8,
            IntermediateSize = 8,
            MoeIntermediateSize = 8,
            Layers = 1,
            IsMoeLayer = [true],
            MtpLayers = 0,
            Heads = 1,
            QueryLoraRank = null,
            LatentDim = 8,
            NopeDim = 8,
            RopeDim = 8,
            ValueDim = 8,
            RoutedExperts = experts,
            SharedExperts = 0,
            ExpertsPerToken = perToken,
            ExpertGroups = groups,
            GroupsPerToken = groupsPerToken,
            Scoring = scoring,
            Selection = selection,
            NormalizeTopK = normalize,
            RoutedScalingFactor = scale,
            NormEpsilon = 1e-6,
            RopeTheta = 10000,
            RopeInterleaved = true,
            Yarn = null,
            MaxPositions = 64,
            TieWordEmbeddings = false,
            ScaleBlock = null,
            BosToken = null,
            EosTokens = [],
        };
}
