namespace Conclave.Checkpoints;

/// <summary>What the configuration class released with a family assumes where <c>config.json</c> leaves a key out.</summary>
internal sealed record ModelFamily
{
    private static readonly ModelFamily[] Families =
    [
        new ModelFamily
        {
            Name = "deepseek_v2", FirstDenseLayers = 0, ExpertGroups = 1, GroupsPerToken = 1, Scoring = RouterScoring.Softmax,
            Selection = RouterSelection.Greedy, NormalizeTopK = false, RoutedScalingFactor = 1.0, NormEpsilon = 1e-6,
        },
        DeepSeekV3("deepseek_v3"),
        DeepSeekV3("kimi_k2"),
        new ModelFamily
        {
            Name = "glm4_moe_lite", FirstDenseLayers = 1, ExpertGroups = 1, GroupsPerToken = 1, Scoring = RouterScoring.Sigmoid,
            Selection = RouterSelection.NoAuxTc, NormalizeTopK = true, RoutedScalingFactor = 1.8, NormEpsilon = 1e-5,
        },
    ];

    public static string SupportedNames => string.Join(", ", Families.Select(family => family.Name));

    public required string Name { get; init; }

    public required int FirstDenseLayers { get; init; }

    public required int ExpertGroups { get; init; }

    public required int GroupsPerToken { get; init; }

    public required RouterScoring Scoring { get; init; }

    public required RouterSelection Selection { get; init; }

    public required bool NormalizeTopK { get; init; }

    public required double RoutedScalingFactor { get; init; }

    public required double NormEpsilon { get; init; }

    public static ModelFamily? Find(string modelType) => Array.Find(Families, family => family.Name == modelType);

    private static ModelFamily DeepSeekV3(string name) => new()
    {
        Name = name, FirstDenseLayers = 3, ExpertGroups = 8, GroupsPerToken = 4, Scoring = RouterScoring.Sigmoid,
        Selection = RouterSelection.NoAuxTc, NormalizeTopK = true, RoutedScalingFactor = 2.5, NormEpsilon = 1e-6,
    };
}
