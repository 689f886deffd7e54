using System.Numerics;
using System.Security.Cryptography;
using Conclave.Primitives;

namespace Conclave.Engine;

/// <summary>
/// Chooses the tokens of one request. From logits to probabilities, in this order: repetition penalty, presence and frequency penalty, logit
/// bias, tokens that are not allowed, temperature, top-k, top-p, min-p, softmax. Nothing is allocated by <see cref="Sample"/>, and by
/// <see cref="Accept"/> only where penalties count more different tokens than they have room for, which then doubles. All arithmetic is IEEE 754 with a
/// fixed order, so that a seed gives the same tokens on every platform.
/// </summary>
public sealed class Sampler
{
    private readonly SamplingOptions _options;
    private readonly SamplerWorkspace _workspace;
    private readonly TokenPenalties _penalties;
    private readonly (int Token, float Bias)[] _bias;
    private readonly int[] _allowed;
    private readonly int[] _endTokens;
    private readonly HashSet<int> _stops;

    /// <summary>Prepares the choice of a request's tokens.</summary>
    /// <param name="options">How to choose.</param>
    /// <param name="workspace">Memory for the choice, shared by all samplers of one thread.</param>
    /// <param name="prompt">The tokens before the answer.</param>
    /// <param name="eosTokens">The model's end tokens.</param>
    /// <exception cref="UserErrorException">An option is out of range.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token of the prompt or an end token is not in the vocabulary.</exception>
    public Sampler(SamplingOptions options, SamplerWorkspace workspace, ReadOnlySpan<int> prompt, ReadOnlySpan<int> eosTokens)
    {
        options.Validate(workspace.VocabularySize);
        CheckTokens(prompt, workspace.VocabularySize, nameof(prompt));
        CheckTokens(eosTokens, workspace.VocabularySize, nameof(eosTokens));
        _options = options;
        _workspace = workspace;
        _penalties = new TokenPenalties(options, workspace.VocabularySize, prompt);
        _bias = [.. options.LogitBias.Select(entry => (entry.Key, (float)entry.Value))];
        _allowed = [.. options.AllowedTokens.Distinct().Order()];
        _endTokens = [.. eosTokens, .. options.StopTokens];
        _stops = [.. options.StopTokens];
        if (!options.IgnoreEos)
        {
            _stops.UnionWith(eosTokens.ToArray());
        }

        Seed = options.Seed ?? NewSeed();
    }

    private Sampler(Sampler other, long? seed)
    {
        _options = other._options;
        _workspace = other._workspace;
        _penalties = other._penalties.Fork();
        _bias = other._bias;
        _allowed = other._allowed;
        _endTokens = other._endTokens;
        _stops = other._stops;
        Seed = seed ?? NewSeed();
    }

    /// <summary>The seed in use: the one asked for, or the one that was taken from the operating system.</summary>
    public long Seed { get; }

    /// <summary>Number of accepted tokens.</summary>
    public int Generated { get; private set; }

    /// <summary>The same for another answer to the prompt, which has no tokens yet. What does not change is shared: a request may have many answers.</summary>
    /// <param name="seed">Its seed; null: taken from the operating system.</param>
    public Sampler Fork(long? seed) => new(this, seed);

    /// <summary>True where the token ends the answer.</summary>
    public bool IsStop(int token) => _stops.Contains(token);

    /// <summary>
    /// Chooses the token at position <see cref="Generated"/> of the answer. The choice is a function of options, seed, the tokens accepted so
    /// far and the logits; asking again gives the same token.
    /// </summary>
    /// <param name="logits">One for each token of the vocabulary.</param>
    /// <param name="allowed">
    /// A bit for each token that a grammar allows, the lowest bit of the first word for token 0; tokens beyond its end are not allowed. The grammar then
    /// decides alone where the answer may end, whatever <see cref="SamplingOptions.MinTokens"/> says. Empty: there is no grammar.
    /// </param>
    /// <exception cref="ArgumentException">The number of logits is not that of the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">A logit is NaN or +∞, or none is finite.</exception>
    /// <exception cref="UserErrorException">None of <see cref="SamplingOptions.AllowedTokens"/> can be chosen here.</exception>
    public int Sample(ReadOnlySpan<float> logits, ReadOnlySpan<uint> allowed = default)
    {
        if (_options.Temperature < SamplingOptions.SmallestTemperature)
        {
            return ArgMax(Adjust(logits, allowed), out _);
        }

        ReadOnlySpan<float> weights = _workspace.Weights.AsSpan(0, Weigh(logits, allowed));
        double target = SeededDraws.Uniform(Seed, Generated) * Sum(weights);
        double sum = 0;
        int chosen = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] > 0)
            {
                chosen = i;
                sum += weights[i];
                if (sum > target)
                {
                    break;
                }
            }
        }

        return _workspace.Tokens[chosen];
    }

    /// <summary>Notes that the token is the next one of the answer, chosen here or by whoever verified a draft.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The token is not in the vocabulary.</exception>
    public void Accept(int token)
    {
        CheckTokens([token], _workspace.VocabularySize, nameof(token));
        _penalties.Accept(token);
        Generated++;
    }

    /// <summary>Writes to the workspace the tokens that may be drawn, each with a weight in proportion to its probability.</summary>
    /// <returns>How many they are.</returns>
    internal int Weigh(ReadOnlySpan<float> logits, ReadOnlySpan<uint> allowed) => TokenFilter.Apply(_options, _workspace, Adjust(logits, allowed));

    /// <summary>Logits with penalties, bias and forbidden tokens; the logits themselves where nothing changes them.</summary>
    private ReadOnlySpan<float> Adjust(ReadOnlySpan<float> logits, ReadOnlySpan<uint> allowed)
    {
        if (logits.Length != _workspace.VocabularySize)
        {
            throw new ArgumentException($"{logits.Length} logits; the vocabulary has {_workspace.VocabularySize} tokens");
        }

        bool endsForbidden = Generated < _options.MinTokens && _endTokens.Length != 0 && allowed.IsEmpty;
        if (!_penalties.HaveEffect && _bias.Length == 0 && _allowed.Length == 0 && !endsForbidden && allowed.IsEmpty)
        {
            return logits;
        }

        Span<float> scores = _workspace.Scores;
        logits.CopyTo(scores);
        _penalties.Apply(scores);
        foreach ((int token, float bias) in _bias)
        {
            scores[token] += bias;
        }

        if (endsForbidden)
        {
            foreach (int token in _endTokens)
            {
                scores[token] = float.NegativeInfinity;
            }
        }

        if (!allowed.IsEmpty)
        {
            Forbid(scores, allowed);
        }

        if (_allowed.Length != 0)
        {
            Keep(scores, _allowed);
            if (!scores.ContainsAnyExcept(float.NegativeInfinity))
            {
                throw new UserErrorException("allowed_token_ids: none of these tokens can be chosen here, since min_tokens or the format of the answer forbids them; allow more");
            }
        }

        return scores;
    }

    private static void Keep(Span<float> scores, ReadOnlySpan<int> ascending)
    {
        int next = 0;
        foreach (int token in ascending)
        {
            scores[next..token].Fill(float.NegativeInfinity);
            next = token + 1;
        }

        scores[next..].Fill(float.NegativeInfinity);
    }

    private static void Forbid(Span<float> scores, ReadOnlySpan<uint> allowed)
    {
        const int WordBits = 32;
        for (int word = 0; word * WordBits < scores.Length; word++)
        {
            uint bits = word < allowed.Length ? allowed[word] : 0;
            Span<float> part = scores.Slice(word * WordBits, Math.Min(WordBits, scores.Length - (word * WordBits)));
            if (bits == 0)
            {
                part.Fill(float.NegativeInfinity);
                continue;
            }

            for (uint forbidden = ~bits; forbidden != 0; forbidden &= forbidden - 1)
            {
                int bit = BitOperations.TrailingZeroCount(forbidden);
                if (bit < part.Length)
                {
                    part[bit] = float.NegativeInfinity;
                }
            }
        }
    }

    /// <summary>The token with the highest score; of equal ones the first.</summary>
    internal static int ArgMax(ReadOnlySpan<float> scores, out float max)
    {
        max = float.NegativeInfinity;
        int i = 0;
        if (scores.Length >= Vector<float>.Count)
        {
            Vector<float> highest = new(float.NegativeInfinity);
            for (; i <= scores.Length - Vector<float>.Count; i += Vector<float>.Count)
            {
                highest = Vector.Max(highest, new Vector<float>(scores[i..]));
            }

            for (int lane = 0; lane < Vector<float>.Count; lane++)
            {
                max = MathF.Max(max, highest[lane]);
            }
        }

        for (; i < scores.Length; i++)
        {
            max = MathF.Max(max, scores[i]);
        }

        if (!float.IsFinite(max))
        {
            throw new InvalidOperationException($"no token can be chosen: the highest logit is {max}; `conclave inspect DIR --scan` tells whether the model's weights are numbers");
        }

        return scores.IndexOf(max);
    }

    // 53 bits: the seed that is reported survives programs that keep numbers as binary64.
    private static long NewSeed() => (long)(BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) >> 11);

    private static double Sum(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
        {
            sum += value;
        }

        return sum;
    }

    private static void CheckTokens(ReadOnlySpan<int> tokens, int vocabularySize, string name)
    {
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)vocabularySize)
            {
                throw new ArgumentOutOfRangeException(name, token, $"tokens are 0 … {vocabularySize - 1}");
            }
        }
    }
}
