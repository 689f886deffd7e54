using System.Numerics;
using Conclave.Kernels;

namespace Conclave.Engine;

/// <summary>Temperature, top-k, top-p and min-p: which tokens remain to be drawn from, and how probable each of them is.</summary>
internal static class TokenFilter
{
    /// <summary>
    /// Temperature, top-k, top-p and min-p. Leaves the tokens that remain, in ascending order, and their weights exp(score − max) in the
    /// workspace; returns how many.
    /// </summary>
    public static int Apply(SamplingOptions options, SamplerWorkspace workspace, ReadOnlySpan<float> scores)
    {
        int best = Sampler.ArgMax(scores, out float max);
        float temperature = (float)options.Temperature;
        max /= temperature;
        if (!float.IsFinite(max))
        {
            throw new InvalidOperationException($"the logit of token {best}, {scores[best]}, overflows at temperature {temperature}");
        }

        Span<float> scaled = workspace.Scores;
        Divide(scores, temperature, scaled);
        int count = TopK(options.TopK, workspace, scaled);
        scaled = scaled[..count];
        Span<float> weights = workspace.Weights.AsSpan(0, count);
        double total = 0;
        for (int i = 0; i < scaled.Length; i++)
        {
            weights[i] = Transcendental.Exp(scaled[i] - max);
            total += weights[i];
        }

        if (options.TopP < 1)
        {
            count = TopP(options.TopP, workspace, scaled, weights, total);
        }

        return options.MinP > 0 ? MinP(options.MinP, workspace, count) : count;
    }

    /// <summary>Scores as high as the k-th highest remain: equal ones together, as in transformers.</summary>
    private static int TopK(int most, SamplerWorkspace workspace, Span<float> scores)
    {
        Span<int> tokens = workspace.Tokens;
        if (most <= 0 || most >= scores.Length)
        {
            for (int i = 0; i < tokens.Length; i++)
            {
                tokens[i] = i;
            }

            return tokens.Length;
        }

        float threshold = workspace.Threshold.Find(scores, [], most, out _);
        int count = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            if (scores[i] >= threshold)
            {
                tokens[count] = i;
                scores[count++] = scores[i];
            }
        }

        return count;
    }

    /// <summary>
    /// As in transformers: in ascending order of scores (equal ones by token), a token goes while the probability up to and including it is at most
    /// 1 − p; the last one stays. Seen from the other end: it goes if what lies above it leaves at most 1 − p.
    /// </summary>
    private static int TopP(double share, SamplerWorkspace workspace, Span<float> scores, Span<float> weights, double total)
    {
        int candidates = DropNegligible(share, workspace, scores, weights, total);
        scores = scores[..candidates];
        weights = weights[..candidates];

        // transformers adds and compares in binary32: the sum goes if it rounds to the limit.
        float limit = (float)(1 - share);
        double room = Math.Max(1 - (((double)limit + float.BitIncrement(limit)) / 2), double.Epsilon) * total;
        float threshold = workspace.Threshold.Find(scores, weights, room, out double above);
        int equalKept = 0;
        int equal = 0;
        float weight = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            if (scores[i] == threshold)
            {
                weight = weights[i];
                equal++;
            }
        }

        for (; equalKept < equal && above < room; above += weight)
        {
            equalKept++;
        }

        int equalDropped = equal - equalKept;
        Span<int> tokens = workspace.Tokens;
        int count = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            if (scores[i] > threshold || (scores[i] == threshold && --equalDropped < 0))
            {
                tokens[count] = tokens[i];
                weights[count++] = weights[i];
            }
        }

        return count;
    }

    /// <summary>
    /// Tokens of which all together cannot weigh more than half of what top-p drops: most of the vocabulary, as a rule. The search need not
    /// look at them.
    /// </summary>
    private static int DropNegligible(double share, SamplerWorkspace workspace, Span<float> scores, Span<float> weights, double total)
    {
        double negligible = (1 - share) * total / (2.0 * weights.Length);
        Span<int> tokens = workspace.Tokens;
        int count = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] >= negligible)
            {
                tokens[count] = tokens[i];
                weights[count] = weights[i];
                scores[count++] = scores[i];
            }
        }

        return count;
    }

    /// <summary>Tokens less probable than min-p times the most probable one go. The most probable one weighs 1.</summary>
    private static int MinP(double share, SamplerWorkspace workspace, int candidates)
    {
        Span<float> weights = workspace.Weights.AsSpan(0, candidates);
        Span<int> tokens = workspace.Tokens;
        float threshold = (float)share;
        int count = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] >= threshold)
            {
                tokens[count] = tokens[i];
                weights[count++] = weights[i];
            }
        }

        return count;
    }

    private static void Divide(ReadOnlySpan<float> scores, float divisor, Span<float> quotients)
    {
        int i = 0;
        for (; i <= scores.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            (new Vector<float>(scores[i..]) / divisor).CopyTo(quotients[i..]);
        }

        for (; i < scores.Length; i++)
        {
            quotients[i] = scores[i] / divisor;
        }
    }
}
