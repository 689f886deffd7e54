using System.Runtime.InteropServices;

namespace Conclave.Engine;

/// <summary>
/// Which tokens an answer and its prompt have, and what that does to their logits. Only tokens that were seen take memory: requests wait by the thousand, and a table of the
/// vocabulary for each of their answers would be gigabytes.
/// </summary>
internal sealed class TokenPenalties
{
    private const int InPrompt = int.MinValue;

    // Most answers have fewer different tokens; for the others it doubles.
    private const int FirstCapacity = 512;
    private readonly float _repetition;
    private readonly float _presence;
    private readonly float _frequency;
    private readonly int _vocabularySize;

    // Ascending, each once; empty where the prompt does not count.
    private readonly int[] _prompt;

    // How often each token was generated, the sign bit set where the prompt has it; null until there is one.
    private Dictionary<int, int>? _generated;

    public TokenPenalties(SamplingOptions options, int vocabularySize, ReadOnlySpan<int> prompt)
    {
        _repetition = (float)options.RepetitionPenalty;
        _presence = (float)options.PresencePenalty;
        _frequency = (float)options.FrequencyPenalty;
        _vocabularySize = vocabularySize;
        _prompt = _repetition == 1 ? [] : [.. prompt.ToArray().Distinct().Order()];
    }

    private TokenPenalties(TokenPenalties other)
    {
        _repetition = other._repetition;
        _presence = other._presence;
        _frequency = other._frequency;
        _vocabularySize = other._vocabularySize;
        _prompt = other._prompt;
    }

    public bool HaveEffect => _prompt.Length != 0 || _generated is not null;

    /// <summary>The same for another answer to the prompt, which has no tokens yet.</summary>
    public TokenPenalties Fork() => new(this);

    public void Accept(int token)
    {
        if (_repetition == 1 && _presence == 0 && _frequency == 0)
        {
            return;
        }

        _generated ??= new Dictionary<int, int>(Math.Min(_vocabularySize, FirstCapacity));
        ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(_generated, token, out bool seen);
        if (!seen && _prompt.AsSpan().BinarySearch(token) >= 0)
        {
            count = InPrompt;
        }

        count++;
    }

    public void Apply(Span<float> scores)
    {
        foreach (int token in _prompt)
        {
            scores[token] = Repeated(scores[token]);
        }

        if (_generated is null)
        {
            return;
        }

        foreach ((int token, int count) in _generated)
        {
            float score = (count & InPrompt) == 0 ? Repeated(scores[token]) : scores[token];
            scores[token] = score - (_presence + (_frequency * (count & int.MaxValue)));
        }
    }

    private float Repeated(float score) => score < 0 ? score * _repetition : score / _repetition;
}
