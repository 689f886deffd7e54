using Conclave.Engine;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>A perplexity and what it was taken over.</summary>
/// <param name="Perplexity">exp of the mean negative log-likelihood.</param>
/// <param name="Windows">Windows of the text.</param>
/// <param name="Scored">Tokens whose likelihood counts.</param>
public sealed record PerplexityResult(double Perplexity, int Windows, int Scored);

/// <summary>
/// Perplexity of a model on a text: exp(−1/n · Σ ln p(token | tokens before it in its window)). The text is cut into windows of a fixed number of
/// tokens, the last partial one dropped; the first token of a window is not scored. Where windows overlap, each token is scored in the first window that
/// holds it, except the text's first.
/// </summary>
public sealed class PerplexityMeasurement
{
    private readonly DeepSeekModel _model;
    private readonly int _context;
    private readonly int _stride;

    /// <summary>Prepares the measurement.</summary>
    /// <param name="model">The model, with a cache for one window.</param>
    /// <param name="context">Tokens of a window.</param>
    /// <param name="stride">Tokens from one window's beginning to the next one's.</param>
    /// <exception cref="UserErrorException">Context or stride is out of range.</exception>
    public PerplexityMeasurement(DeepSeekModel model, int context, int stride)
    {
        if (context < 2 || context > model.Config.MaxPositions)
        {
            throw new UserErrorException($"context {context}: 2 to {model.Config.MaxPositions} tokens are expected");
        }

        if (stride < 1 || stride > context)
        {
            throw new UserErrorException($"stride {stride}: 1 to {context} tokens (the context) are expected");
        }

        _model = model;
        _context = context;
        _stride = stride;
    }

    /// <summary>Measures.</summary>
    /// <param name="tokens">The text.</param>
    /// <param name="progress">Told the part that is done, 0 to 1; may be null.</param>
    /// <param name="cancellation">Checked between steps.</param>
    /// <exception cref="UserErrorException">The text has fewer tokens than a window.</exception>
    public PerplexityResult Run(ReadOnlySpan<int> tokens, IProgress<double>? progress, CancellationToken cancellation)
    {
        if (tokens.Length < _context)
        {
            throw new UserErrorException($"the text has {tokens.Length} tokens, a window {_context}; give a longer text or a smaller context");
        }

        int blocks = LatentCache.BlocksFor(_context);
        int[] table = [.. Enumerable.Range(0, blocks)];
        using ForwardBatch batch = new(_model.Options.MaxTokensPerStep, 1, blocks);
        int windows = ((tokens.Length - _context) / _stride) + 1;
        double sum = 0;
        int scored = 0;
        for (int window = 0; window < windows; window++)
        {
            ReadOnlySpan<int> content = tokens.Slice(window * _stride, _context);
            int firstScored = window == 0 || _stride == _context ? 1 : _context - _stride;
            for (int first = 0; first < _context; first += batch.MaxTokens)
            {
                cancellation.ThrowIfCancellationRequested();
                int count = Math.Min(batch.MaxTokens, _context - first);

                // Row i predicts token i + 1.
                int wanted = Math.Clamp(first + count - (firstScored - 1), 0, count);
                batch.Clear();
                batch.Add(content.Slice(first, count), first, AttentionForm.Expanded, table, wanted);
                TensorView logits = _model.Forward(batch);
                for (int row = 0; row < logits.Rows; row++)
                {
                    int position = first + count - wanted + row + 1;
                    if (position < _context)
                    {
                        sum -= TokenLogprobs.Compute(logits.RowF32(row), content[position], top: 0).Chosen.Logprob;
                        scored++;
                    }
                }
            }

            progress?.Report((window + 1.0) / windows);
        }

        return new PerplexityResult(Transcendental.Exp(sum / scored), windows, scored);
    }
}
