using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Conversion;

/// <summary>The shapes of released models, as their <c>config.json</c> gives them, for checkpoints of random weights.</summary>
public static class ReleasedShapes
{
    private static readonly YarnScaling DeepSeekV2Yarn = new(40, 4096, 32, 1, 0.707, 0.707);

    private static readonly Dictionary<string, ModelConfig> Shapes = new(StringComparer.Ordinal)
    {
        ["deepseek-v2-lite"] = DeepSeekV2(27, 2048, 10944, 1408, 16) with
        {
            QueryLoraRank = null, RoutedExperts = 64, ExpertGroups = 1, GroupsPerToken = 1, Selection = RouterSelection.Greedy,
            RoutedScalingFactor = 1,
        },
        ["deepseek-v2"] = DeepSeekV2(60, 5120, 12288, 1536, 128),
        ["deepseek-v3"] = DeepSeekV3(61, 7168, 18432, 2048, 128),
        ["moonlight"] = DeepSeekV3(27, 2048, 11264, 1408, 16) with
        {
            VocabularySize = 163840, IsMoeLayer = Moe(27, 1), QueryLoraRank = null, RoutedExperts = 64, SharedExperts = 2,
            ExpertsPerToken = 6, ExpertGroups = 1, GroupsPerToken = 1, RoutedScalingFactor = 2.446, NormEpsilon = 1e-5, RopeTheta = 50000,
            Yarn = null, MaxPositions = 8192, BosToken = 163584, EosTokens = [163585],
        },
        ["kimi-k2"] = DeepSeekV3(61, 7168, 18432, 2048, 64) with
        {
            ModelType = "kimi_k2", VocabularySize = 163840, IsMoeLayer = Moe(61, 1), RoutedExperts = 384, ExpertGroups = 1,
            GroupsPerToken = 1, RoutedScalingFactor = 2.827, RopeTheta = 50000, Yarn = new YarnScaling(32, 4096, 1, 1, 1, 1),
            MaxPositions = 131072, BosToken = 163584, EosTokens = [163585],
        },
        ["glm-4.7-flash"] = DeepSeekV3(47, 2048, 10240, 1536, 20) with
        {
            ModelType = "glm4_moe_lite", Architectures = ["Glm4MoeLiteForCausalLM"], VocabularySize = 154880, IsMoeLayer = Moe(47, 1),
            QueryLoraRank = 768, NopeDim = 192, ValueDim = 256, RoutedExperts = 64, ExpertsPerToken = 4, ExpertGroups = 1,
            GroupsPerToken = 1, RoutedScalingFactor = 1.8, NormEpsilon = 1e-5, RopeTheta = 1000000, Yarn = null, MaxPositions = 202752,
            BosToken = null, EosTokens = [154820, 154827, 154829],
        },
        ["fable"] = DeepSeekV3(5, 256, 768, 64, 8) with
        {
            VocabularySize = 8192, IsMoeLayer = Moe(5, 1), QueryLoraRank = 128, LatentDim = 128, NopeDim = 32, RopeDim = 16, ValueDim = 32,
            RoutedExperts = 64, ExpertsPerToken = 6, Yarn = null, MaxPositions = 1024,
        },
    };

    /// <summary>Names of the shapes.</summary>
    public static IReadOnlyCollection<string> Names => Shapes.Keys;

    /// <summary>A released shape, or a slice of it.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="layers">
    /// How many layers; all of them where null. The dense layers in front stay, what follows is as the last layer.
    /// </param>
    /// <param name="mtpLayers">How many multi-token prediction layers.</param>
    /// <exception cref="UserErrorException">There is no such shape, or a count is absurd.</exception>
    public static ModelConfig Find(string name, int? layers = null, int mtpLayers = 0)
    {
        if (!Shapes.TryGetValue(name, out ModelConfig? shape))
        {
            throw new UserErrorException($"\"{name}\" is no known shape; one of {string.Join(", ", Shapes.Keys)} is expected");
        }

        int count = layers ?? shape.Layers;
        if (count is < 1 or > 1000)
        {
            throw new UserErrorException($"{count} layers; 1 to 1000 are expected");
        }

        if (mtpLayers is < 0 or > 16)
        {
            throw new UserErrorException($"{mtpLayers} multi-token prediction layers; 0 to 16 are expected");
        }

        return shape with
        {
            Layers = count,
            MtpLayers = mtpLayers,
            IsMoeLayer = [.. Enumerable.Range(0, count).Select(layer => shape.IsMoeLayer[Math.Min(layer, shape.Layers - 1)])],
        };
    }

    private static ModelConfig DeepSeekV2(int layers, int hidden, int intermediate, int expertWidth, int heads) => new()
    {
        ModelType = "deepseek_v2",
        Architectures = ["DeepseekV2ForCausalLM"],
        VocabularySize = 102400,
        HiddenSize = hidden,
        IntermediateSize = intermediate,
        MoeIntermediateSize = expertWidth,
        Layers = layers,
        IsMoeLayer = Moe(layers, 1),
        MtpLayers = 0,
        Heads = heads,
        QueryLoraRank = 1536,
        LatentDim = 512,
        NopeDim = 128,
        RopeDim = 64,
        ValueDim = 128,
        RoutedExperts = 160,
        SharedExperts = 2,
        ExpertsPerToken = 6,
        ExpertGroups = 8,
        GroupsPerToken = 3,
        Scoring = RouterScoring.Softmax,
        Selection = RouterSelection.GroupLimitedGreedy,
        NormalizeTopK = false,
        RoutedScalingFactor = 16,
        NormEpsilon = 1e-6,
        RopeTheta = 10000,
        RopeInterleaved = true,
        Yarn = DeepSeekV2Yarn,
        MaxPositions = 163840,
        TieWordEmbeddings = false,
        ScaleBlock = null,
        BosToken = 100000,
        EosTokens = [100001],
    };

    private static ModelConfig DeepSeekV3(int layers, int hidden, int intermediate, int expertWidth, int heads) =>
        DeepSeekV2(layers, hidden, intermediate, expertWidth, heads) with
        {
            ModelType = "deepseek_v3",
            Architectures = ["DeepseekV3ForCausalLM"],
            VocabularySize = 129280,
            IsMoeLayer = Moe(layers, 3),
            RoutedExperts = 256,
            SharedExperts = 1,
            ExpertsPerToken = 8,
            GroupsPerToken = 4,
            Scoring = RouterScoring.Sigmoid,
            Selection = RouterSelection.NoAuxTc,
            NormalizeTopK = true,
            RoutedScalingFactor = 2.5,
            Yarn = new YarnScaling(40, 4096, 32, 1, 1, 1),
            BosToken = 0,
            EosTokens = [1],
        };

    private static bool[] Moe(int layers, int firstDense) => [.. Enumerable.Range(0, layers).Select(layer => layer >= firstDense)];
}
