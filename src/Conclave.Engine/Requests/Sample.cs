using Conclave.Engine.Scheduling;
using Conclave.Text;
using Conclave.Text.Grammars;

namespace Conclave.Engine;

/// <summary>One answer of a request: how its tokens are chosen, and its text.</summary>
internal sealed class Sample(Generation generation, int index, Sampler sampler, StopStringMatcher stops, Tokenizer tokenizer, GrammarMatcher? matcher)
{
    private readonly StreamingDetokenizer _detokenizer = new(tokenizer, generation.Request.SkipSpecialTokens);
    private readonly StopStringMatcher _stops = stops;
    private readonly Tokenizer _tokenizer = tokenizer;

    public Generation Generation { get; } = generation;

    public int Index { get; } = index;

    public Sampler Sampler { get; } = sampler;

    public GrammarMatcher? Matcher { get; } = matcher;

    public Sequence? Sequence { get; set; }

    public bool Finished { get; set; }

    /// <summary>Why it ended.</summary>
    public FinishReason? Reason { get; set; }

    /// <summary>Tokens generated, an end token included.</summary>
    public int Generated { get; set; }

    public long LastTokenAt { get; set; }

    /// <summary>The stop string that has ended the text; null while it goes on.</summary>
    public string? StopString => _stops.Found;

    // As in vLLM, a stop string may begin in the text of the first tokens, but not end there.
    private bool MayStop => Generated > Generation.Request.Sampling.MinTokens;

    /// <summary>Text that a token makes certain.</summary>
    public string Append(int token)
    {
        // Heads are often padded beyond the tokenizer; such an id stands for no text.
        if (token >= _tokenizer.VocabularySize)
        {
            return "";
        }

        string text = _detokenizer.Append(token);
        return Generation.Request.Sampling.StopStrings.Count == 0 ? text : _stops.Append(text, MayStop).ToString();
    }

    /// <summary>The rest of the text that this token has ended.</summary>
    public string End(int token)
    {
        SamplingOptions sampling = Generation.Request.Sampling;
        return sampling.IncludeStop && sampling.StopTokens.Contains(token) ? Append(token) + Flush() : Flush();
    }

    /// <summary>The rest of the text.</summary>
    public string Flush() => _stops.Append(_detokenizer.Flush(), MayStop).ToString() + _stops.Finish().ToString();
}
