namespace Conclave.Engine;

/// <summary>Which tokens a request has seen, and what that does to their logits. Nothing is kept for requests without penalties.</summary>
internal sealed class TokenPenalties
{
    private const int InPrompt = int.MinValue;
    private readonly float _repetition;
    private readonly float _presence;
    private readonly float _frequency;

    // For each token how often it was generated, the sign bit set where the prompt has it; and the tokens for which that is not 0.
    private readonly int[] _counts;
    private readonly int[] _seen;
    private int _seenCount;

    public TokenPenalties(SamplingOptions options, int vocabularySize, ReadOnlySpan<int> prompt)
    {
        _repetition = (float)options.RepetitionPenalty;
        _presence = (float)options.PresencePenalty;
        _frequency = (float)options.FrequencyPenalty;
        bool any = _repetition != 1 || _presence != 0 || _frequency != 0;
        _counts = any ? new int[vocabularySize] : [];
        _seen = any ? new int[vocabularySize] : [];
        if (_repetition == 1 || !any)
        {
            return;
        }

        foreach (int token in prompt)
        {
            See(token);
            _counts[token] = InPrompt;
        }
    }

    public bool HaveEffect => _seenCount != 0;

    public void Accept(int token)
    {
        if (_counts.Length != 0)
        {
            See(token);
            _counts[token]++;
        }
    }

    public void Apply(Span<float> scores)
    {
        foreach (int token in _seen.AsSpan(0, _seenCount))
        {
            float score = scores[token];
            score = score < 0 ? score * _repetition : score / _repetition;
            int generated = _counts[token] & int.MaxValue;
            if (generated != 0)
            {
                score -= _presence + (_frequency * generated);
            }

            scores[token] = score;
        }
    }

    private void See(int token)
    {
        if (_counts[token] == 0)
        {
            _seen[_seenCount++] = token;
        }
    }
}
