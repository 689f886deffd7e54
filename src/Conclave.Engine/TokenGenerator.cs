using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Engine;

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>The model chose an end token, or a stop string appeared.</summary>
    Stop,

    /// <summary>The most tokens allowed were generated, or the context is full.</summary>
    Length,

    /// <summary>It was cancelled.</summary>
    Cancelled,
}

/// <summary>
/// Generates token by token for one request at a time, with the whole cache for its sequence. The prompt goes in chunks of the model's step size, expanded;
/// generated tokens follow one by one, absorbed. A prompt that begins like the sequence in the cache reuses it. <see cref="TryNext"/> allocates nothing
/// on the managed heap.
/// </summary>
public sealed class TokenGenerator : IDisposable
{
    private readonly DeepSeekModel _model;
    private readonly ForwardBatch _batch;
    private readonly SamplerWorkspace _workspace;
    private readonly int[] _blockTable;
    private readonly int[] _sequence;
    private readonly int[] _eosTokens;
    private int _cached;
    private int _length;
    private int _limit;
    private Sampler? _sampler;
    private TensorView _logits;

    /// <summary>Prepares generation with all of the model's cache.</summary>
    /// <param name="model">The model.</param>
    /// <param name="eosTokens">Tokens that end an answer.</param>
    public TokenGenerator(DeepSeekModel model, IReadOnlyList<int> eosTokens)
    {
        _model = model;
        _eosTokens = [.. eosTokens.Where(token => token < model.Config.VocabularySize)];
        int blocks = model.Options.CacheBlocks;
        ContextLength = Math.Min(blocks * LatentPages.TokensPerBlock, model.Config.MaxPositions);
        _blockTable = [.. Enumerable.Range(0, blocks)];
        _sequence = new int[ContextLength];
        _batch = new ForwardBatch(model.Options.MaxTokensPerStep, 1, blocks);
        _workspace = new SamplerWorkspace(model.Config.VocabularySize);
    }

    /// <summary>Most tokens of prompt and answer together.</summary>
    public int ContextLength { get; }

    /// <summary>Why the answer ended; null while it goes on.</summary>
    public FinishReason? Finished { get; private set; }

    /// <summary>The seed of the answer.</summary>
    public long Seed => _sampler?.Seed ?? throw new InvalidOperationException("nothing was started");

    /// <summary>Computes the prompt.</summary>
    /// <param name="prompt">At least one token.</param>
    /// <param name="options">How tokens are chosen and when the answer ends.</param>
    /// <param name="cancellation">Checked between chunks.</param>
    /// <returns>Tokens of the prompt that were in the cache already.</returns>
    /// <exception cref="UserErrorException">The prompt is empty, longer than the context, or holds ids outside the vocabulary; an option is out of range.</exception>
    public int Start(ReadOnlySpan<int> prompt, SamplingOptions options, CancellationToken cancellation = default)
    {
        Check(prompt);
        _sampler = new Sampler(options, _workspace, prompt, _eosTokens);
        _limit = Math.Min(ContextLength, prompt.Length + Math.Min(options.MaxTokens ?? int.MaxValue, ContextLength));
        Finished = null;

        // The last token's logits are needed, so at least that one is computed again.
        int reused = Math.Min(_sequence.AsSpan(0, _cached).CommonPrefixLength(prompt), prompt.Length - 1);
        prompt.CopyTo(_sequence);
        _length = prompt.Length;
        _cached = reused;
        while (_cached < _length)
        {
            cancellation.ThrowIfCancellationRequested();
            Compute(Math.Min(_length - _cached, _batch.MaxTokens), AttentionForm.Expanded);
        }

        return reused;
    }

    /// <summary>Computes and chooses the next token.</summary>
    /// <param name="token">The token; not the one that ended the answer.</param>
    /// <returns>False where the answer has ended; <see cref="Finished"/> says why.</returns>
    public bool TryNext(out int token)
    {
        token = -1;
        if (_sampler is null)
        {
            throw new InvalidOperationException("nothing was started");
        }

        if (Finished is not null)
        {
            return false;
        }

        if (_length == _limit)
        {
            Finished = FinishReason.Length;
            return false;
        }

        if (_cached < _length)
        {
            Compute(1, AttentionForm.Absorbed);
        }

        token = _sampler.Sample(_logits.RowF32(0));
        if (_sampler.IsStop(token))
        {
            Finished = FinishReason.Stop;
            return false;
        }

        _sampler.Accept(token);
        _sequence[_length++] = token;
        return true;
    }

    /// <summary>Ends the answer from outside: a stop string was found, or it was cancelled.</summary>
    public void Finish(FinishReason reason) => Finished ??= reason;

    /// <inheritdoc/>
    public void Dispose() => _batch.Dispose();

    private void Compute(int tokens, AttentionForm form)
    {
        _batch.Clear();
        bool last = _cached + tokens == _length;
        _batch.Add(_sequence.AsSpan(_cached, tokens), _cached, form, _blockTable, last ? 1 : 0);
        _logits = _model.Forward(_batch);
        _cached += tokens;
    }

    private void Check(ReadOnlySpan<int> prompt)
    {
        if (prompt.IsEmpty)
        {
            throw new UserErrorException("the prompt has no tokens; give at least one");
        }

        if (prompt.Length >= ContextLength)
        {
            throw new UserErrorException(
                $"the prompt has {prompt.Length} tokens, the context holds {ContextLength} including the answer; shorten the prompt or raise --context");
        }

        foreach (int token in prompt)
        {
            if ((uint)token >= (uint)_model.Config.VocabularySize)
            {
                throw new UserErrorException($"token id {token} is outside the vocabulary of {_model.Config.VocabularySize}");
            }
        }
    }
}
