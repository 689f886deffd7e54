using System.Diagnostics;
using System.Text;
using Conclave.Primitives;
using Conclave.Text;

namespace Conclave.Engine;

/// <summary>An answer and how it came about.</summary>
/// <param name="Text">The text, without the stop string or end token.</param>
/// <param name="Tokens">Its tokens.</param>
/// <param name="Finish">Why it ended.</param>
/// <param name="PromptTokens">Tokens of the prompt.</param>
/// <param name="ReusedTokens">Of these, tokens that were in the cache already.</param>
/// <param name="Seed">What the draws depended on.</param>
/// <param name="PrefillTime">From the start to the logits of the prompt's last token.</param>
/// <param name="DecodeTime">From there to the end.</param>
public sealed record GeneratedText(
    string Text,
    IReadOnlyList<int> Tokens,
    FinishReason Finish,
    int PromptTokens,
    int ReusedTokens,
    long Seed,
    TimeSpan PrefillTime,
    TimeSpan DecodeTime);

/// <summary>Generates text for one request at a time: tokens, their text as soon as it is certain, and stop strings across token borders.</summary>
public sealed class TextGenerator : IDisposable
{
    private readonly LoadedModel _model;
    private readonly TokenGenerator _tokens;

    /// <summary>Prepares generation with all of the model's cache.</summary>
    public TextGenerator(LoadedModel model)
    {
        _model = model;
        _tokens = new TokenGenerator(model.Model, model.EosTokens);
    }

    /// <summary>Most tokens of prompt and answer together.</summary>
    public int ContextLength => _tokens.ContextLength;

    /// <summary>Generates an answer.</summary>
    /// <param name="prompt">At least one token.</param>
    /// <param name="options">How tokens are chosen and when the answer ends.</param>
    /// <param name="onText">Told each piece of text when it can no longer change.</param>
    /// <param name="cancellation">Ends the answer where it is, with <see cref="FinishReason.Cancelled"/>.</param>
    /// <exception cref="UserErrorException">The prompt or an option cannot be used.</exception>
    public GeneratedText Generate(
        ReadOnlySpan<int> prompt, SamplingOptions options, Action<string> onText, CancellationToken cancellation = default)
    {
        StreamingDetokenizer detokenizer = new(_model.Tokenizer, skipSpecial: true);
        StopStringMatcher stops = new(options.StopStrings);
        StringBuilder text = new();
        List<int> answer = [];
        long start = Stopwatch.GetTimestamp();
        int reused = _tokens.Start(prompt, options, cancellation);
        TimeSpan prefill = Stopwatch.GetElapsedTime(start);
        start = Stopwatch.GetTimestamp();

        void Emit(ReadOnlySpan<char> piece)
        {
            if (!piece.IsEmpty)
            {
                text.Append(piece);
                onText(piece.ToString());
            }
        }

        while (_tokens.TryNext(out int token))
        {
            answer.Add(token);

            // Heads are often padded beyond the tokenizer; such an id stands for no text.
            if (token < _model.Tokenizer.VocabularySize)
            {
                Emit(stops.Append(detokenizer.Append(token)));
            }

            if (stops.Found is not null)
            {
                _tokens.Finish(FinishReason.Stop);
            }
            else if (cancellation.IsCancellationRequested)
            {
                _tokens.Finish(FinishReason.Cancelled);
            }
        }

        Emit(stops.Append(detokenizer.Flush()));
        Emit(stops.Finish());
        return new GeneratedText(
            text.ToString(), answer, _tokens.Finished!.Value, prompt.Length, reused, _tokens.Seed, prefill, Stopwatch.GetElapsedTime(start));
    }

    /// <inheritdoc/>
    public void Dispose() => _tokens.Dispose();
}
