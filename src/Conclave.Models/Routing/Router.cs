using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// Chooses experts for tokens: scores from logits (softmax or sigmoid), a choice of k among them (greedy, limited to groups, or with a correction
/// bias that steers the choice but not the weights), and the routing weights of the chosen. Sources: DeepSeek-V2, sections 2.2.1 and 2.2.2;
/// DeepSeek-V3, section 2.1.2. Of equal scores the lower expert wins. A token whose scores are not numbers gets the lowest experts that are left, weighted with NaN: what comes out of
/// it is no number then, and nobody else's tokens in the step are harmed.
/// </summary>
public sealed class Router
{
    private readonly RouterScoring _scoring;
    private readonly RouterSelection _selection;
    private readonly int _experts;
    private readonly int _groups;
    private readonly int _groupsPerToken;
    private readonly bool _normalize;
    private readonly float _scale;

    /// <summary>Creates the router of a model.</summary>
    public Router(ModelConfig config)
    {
        _scoring = config.Scoring;
        _selection = config.Selection;
        _experts = config.RoutedExperts;
        _groups = _selection == RouterSelection.Greedy ? 1 : config.ExpertGroups;
        _groupsPerToken = _selection == RouterSelection.Greedy ? 1 : config.GroupsPerToken;
        _normalize = config.NormalizeTopK;
        _scale = (float)config.RoutedScalingFactor;
    }

    /// <summary>Routes the tokens of a step.</summary>
    /// <param name="logits">[T, experts] F32; overwritten with the scores.</param>
    /// <param name="bias">Correction bias by expert; empty where the model has none.</param>
    /// <param name="routing">Receives k experts and weights for each token, by falling choice score.</param>
    public void Route(TensorView logits, ReadOnlySpan<float> bias, Routing routing)
    {
        Span<float> choice = stackalloc float[_experts];
        Span<float> groupScores = stackalloc float[_groups];
        for (int token = 0; token < logits.Rows; token++)
        {
            Span<float> scores = logits.RowF32(token);
            Score(scores);
            scores.CopyTo(choice);
            for (int expert = 0; expert < bias.Length; expert++)
            {
                choice[expert] += bias[expert];
            }

            if (_groupsPerToken < _groups)
            {
                KeepBestGroups(choice, groupScores);
            }

            Choose(scores, choice, routing.Experts(token), routing.Weights(token));
        }
    }

    private void Score(Span<float> logits)
    {
        if (_scoring == RouterScoring.Sigmoid)
        {
            foreach (ref float logit in logits)
            {
                logit = 1f / (1f + Transcendental.Exp(-logit));
            }

            return;
        }

        float maximum = float.NegativeInfinity;
        foreach (float logit in logits)
        {
            maximum = Math.Max(maximum, logit);
        }

        double sum = 0;
        foreach (ref float logit in logits)
        {
            logit = Transcendental.Exp(logit - maximum);
            sum += logit;
        }

        foreach (ref float logit in logits)
        {
            logit = (float)(logit / sum);
        }
    }

    private void KeepBestGroups(Span<float> choice, Span<float> groupScores)
    {
        int size = _experts / _groups;
        for (int group = 0; group < _groups; group++)
        {
            float first = float.NegativeInfinity;
            float second = float.NegativeInfinity;
            foreach (float score in choice.Slice(group * size, size))
            {
                if (score > first)
                {
                    (first, second) = (score, first);
                }
                else if (score > second)
                {
                    second = score;
                }
            }

            groupScores[group] = _selection == RouterSelection.NoAuxTc && size > 1 ? first + second : first;
        }

        for (int dropped = 0; dropped < _groups - _groupsPerToken; dropped++)
        {
            int worst = -1;
            for (int group = 0; group < _groups; group++)
            {
                if (!float.IsNaN(groupScores[group]) && (worst < 0 || groupScores[group] <= groupScores[worst]))
                {
                    worst = group;
                }
            }

            if (worst < 0)
            {
                return;
            }

            groupScores[worst] = float.NaN;
            choice.Slice(worst * size, size).Fill(float.NegativeInfinity);
        }
    }

    private void Choose(ReadOnlySpan<float> scores, Span<float> choice, Span<int> experts, Span<float> weights)
    {
        float sum = 0;
        for (int k = 0; k < experts.Length; k++)
        {
            int best = -1;
            for (int expert = 0; expert < choice.Length; expert++)
            {
                if (!float.IsNaN(choice[expert]) && (best < 0 || choice[expert] > choice[best]))
                {
                    best = expert;
                }
            }

            experts[k] = best < 0 ? LowestBut(experts[..k]) : best;
            weights[k] = best < 0 ? float.NaN : scores[best];
            sum += weights[k];
            choice[experts[k]] = float.NaN;
        }

        // The tiny number is that of DeepSeek's modelling code.
        float factor = _scale / (_normalize ? sum + 1e-20f : 1f);
        foreach (ref float weight in weights)
        {
            weight *= factor;
        }
    }

    private static int LowestBut(ReadOnlySpan<int> taken)
    {
        int expert = 0;
        while (taken.Contains(expert))
        {
            expert++;
        }

        return expert;
    }
}
