using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>
/// The sampling that a model's authors recommend, from <c>generation_config.json</c>. Everything may be absent, the file too: null then.
/// </summary>
public sealed record GenerationConfig
{
    /// <summary>The highest temperature, here and in requests.</summary>
    public const double MostTemperature = 100;

    /// <summary>The lowest repetition penalty, here and in requests.</summary>
    public const double LeastRepetitionPenalty = 0.01;

    /// <summary>The highest repetition penalty, here and in requests.</summary>
    public const double MostRepetitionPenalty = 100;

    private const int MaxFileBytes = 16 << 20;

    /// <summary>eos_token_id: one, several or none.</summary>
    public IReadOnlyList<int> EosTokens { get; init; } = [];

    /// <summary>do_sample: false asks for the most probable token, whatever the temperature says.</summary>
    public bool? DoSample { get; init; }

    /// <summary>temperature: logits are divided by it.</summary>
    public double? Temperature { get; init; }

    /// <summary>top_p: the smallest set of most probable tokens whose probabilities reach it.</summary>
    public double? TopP { get; init; }

    /// <summary>top_k: that many most probable tokens; 0 means all.</summary>
    public int? TopK { get; init; }

    /// <summary>min_p: tokens at least that probable in relation to the most probable one.</summary>
    public double? MinP { get; init; }

    /// <summary>repetition_penalty: logits of tokens already seen are divided (positive) or multiplied (negative) by it.</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>Reads <c>generation_config.json</c> of a checkpoint, if it is there.</summary>
    /// <exception cref="UserErrorException">The file is malformed, or a value is out of the range that requests have for it.</exception>
    public static GenerationConfig Read(string directory)
    {
        string path = Path.Combine(directory, "generation_config.json");
        if (!File.Exists(path))
        {
            return new GenerationConfig();
        }

        JsonCursor root = JsonCursor.ReadFile(path, MaxFileBytes);
        return new GenerationConfig
        {
            EosTokens = TokenIds.Several(root, "eos_token_id"),
            DoSample = root.Optional("do_sample")?.Boolean(),
            Temperature = root.Optional("temperature")?.Double(0, MostTemperature),
            TopP = root.Optional("top_p")?.Double(0, 1),
            TopK = root.Optional("top_k")?.Int32(-1, int.MaxValue) is { } topK ? Math.Max(topK, 0) : null,
            MinP = root.Optional("min_p")?.Double(0, 1),
            RepetitionPenalty = root.Optional("repetition_penalty")?.Double(LeastRepetitionPenalty, MostRepetitionPenalty),
        };
    }
}
