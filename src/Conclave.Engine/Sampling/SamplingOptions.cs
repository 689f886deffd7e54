using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Engine;

/// <summary>
/// How the next token is chosen and when a text ends. Names, defaults and meanings are those of the OpenAI API and, where it has none, of vLLM
/// and transformers. The default chooses from the model's own distribution.
/// </summary>
public sealed record SamplingOptions
{
    /// <summary>Temperatures below this choose the most probable token, as 0 does: dividing by them would only lose the logits' precision.</summary>
    public const double SmallestTemperature = 1e-5;

    /// <summary>Divides the logits; 0 (and less than <see cref="SmallestTemperature"/>): always the most probable token. From 0 to 100.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Only tokens as probable as the k-th most probable one remain; 0 or −1: all remain.</summary>
    public int TopK { get; init; }

    /// <summary>Only the most probable tokens that together have this probability remain (Holtzman et al. 2020). From 0 to 1.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only tokens with at least this part of the most probable token's probability remain. From 0 to 1.</summary>
    public double MinP { get; init; }

    /// <summary>
    /// Logits of tokens that occur in prompt or answer are divided by it where positive, else multiplied (Keskar et al. 2019). From 0.01 to 100.
    /// </summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted from the logits of tokens that occur in the answer. From −2 to 2.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Subtracted from a token's logit once for each time that it occurs in the answer. From −2 to 2.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of these tokens. Each from −100 to 100.</summary>
    public IReadOnlyDictionary<int, double> LogitBias { get; init; } = new Dictionary<int, double>();

    /// <summary>The only tokens that are chosen, those that may end the answer included; empty: all.</summary>
    public IReadOnlyList<int> AllowedTokens { get; init; } = [];

    /// <summary>What the draws depend on; the same seed draws the same text. Null: taken from the operating system.</summary>
    public long? Seed { get; init; }

    /// <summary>
    /// The least number of tokens of the answer: until then neither the model's end tokens nor <see cref="StopTokens"/> are chosen, and <see cref="StopStrings"/> that
    /// end in their text do not count.
    /// </summary>
    public int MinTokens { get; init; }

    /// <summary>The largest number of tokens of the answer; null: as many as the context holds. 0: none, the prompt is only computed, for its log-probabilities or the prefix cache.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>The model's end tokens do not end the text (for measurements).</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Texts before which the answer ends. At most 64 of at most 1,024 UTF-16 units.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Tokens that end the answer besides the model's end tokens.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>
    /// Whether the stop string that ended the answer, or the text of the one of <see cref="StopTokens"/> that did, is part of the answer's text. The model's own end tokens are not:
    /// they are marks of its format.
    /// </summary>
    public bool IncludeStop { get; init; }

    /// <summary>Checks every value against its range and the vocabulary.</summary>
    /// <param name="vocabularySize">Number of logits; tokens are 0 … <paramref name="vocabularySize"/> − 1.</param>
    /// <exception cref="UserErrorException">A value is out of its range; the message has the option's name in the OpenAI API, the value and the range.</exception>
    public void Validate(int vocabularySize)
    {
        InRange("temperature", Temperature, 0, GenerationConfig.MostTemperature);
        InRange("top_k", TopK, -1, int.MaxValue);
        InRange("top_p", TopP, 0, 1);
        InRange("min_p", MinP, 0, 1);
        InRange("repetition_penalty", RepetitionPenalty, GenerationConfig.LeastRepetitionPenalty, GenerationConfig.MostRepetitionPenalty);
        InRange("presence_penalty", PresencePenalty, -2, 2);
        InRange("frequency_penalty", FrequencyPenalty, -2, 2);
        InRange("min_tokens", MinTokens, 0, int.MaxValue);
        if (MaxTokens is { } most)
        {
            InRange("max_tokens", most, 0, int.MaxValue);
            if (MinTokens > most)
            {
                throw new UserErrorException($"min_tokens: {MinTokens} is more than max_tokens, which is {most}");
            }
        }

        foreach ((int token, double bias) in LogitBias)
        {
            InRange("logit_bias: token", token, 0, vocabularySize - 1);
            InRange($"logit_bias: {token}", bias, -100, 100);
        }

        foreach (int token in AllowedTokens)
        {
            InRange("allowed_token_ids: token", token, 0, vocabularySize - 1);
        }

        foreach (int token in StopTokens)
        {
            InRange("stop_token_ids: token", token, 0, vocabularySize - 1);
        }

        InRange("stop: number of strings", StopStrings.Count, 0, 64);
        foreach (string stop in StopStrings)
        {
            InRange("stop: length of a string", stop.Length, 1, 1024);
        }
    }

    private static void InRange(string name, double value, double minimum, double maximum)
    {
        // Written so that NaN is refused.
        if (!(value >= minimum && value <= maximum))
        {
            string range = maximum == int.MaxValue ? $"at least {minimum}" : $"from {minimum} to {maximum}";
            throw new UserErrorException($"{name}: {value} is out of range; {range} is expected");
        }
    }
}
