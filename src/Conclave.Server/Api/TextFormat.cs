using System.Text;
using System.Text.Json;
using Conclave.Engine;
using Conclave.Text;

namespace Conclave.Server.Api;

/// <summary>The answers of /v1/completions.</summary>
internal sealed class TextFormat : AnswerFormat
{
    private readonly Choice[] _choices;
    private readonly Tokenizer _tokenizer;

    /// <param name="requestId">What the response's id ends with.</param>
    /// <param name="model">The model's name.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="echoes">The prompts, where they are to stand before the answers.</param>
    /// <param name="skipSpecial">Whether special tokens are left out of the texts.</param>
    /// <param name="choices">Number of prompts times answers.</param>
    public TextFormat(string requestId, string model, Tokenizer tokenizer, IReadOnlyList<PromptEcho>? echoes, bool skipSpecial, int choices)
        : base($"cmpl-{requestId}", "text_completion", model)
    {
        _tokenizer = tokenizer;
        _choices = new Choice[choices];
        for (int i = 0; i < choices; i++)
        {
            _choices[i] = new Choice(echoes is null ? null : echoes[i / (choices / echoes.Count)], new StreamingDetokenizer(tokenizer, skipSpecial));
        }
    }

    public override int Choices => _choices.Length;

    protected override string EventName => "text_completion";

    public override void Add(int choice, Generation generation, in GenerationUpdate update)
    {
        Choice one = _choices[choice];
        if (one.Echo is { } prompt)
        {
            one.Echo = null;
            one.Text.Append(prompt.Text);
            StreamingDetokenizer detokenizer = new(_tokenizer, prompt.SkipSpecial);
            for (int i = 0; i < generation.PromptLogprobs.Count; i++)
            {
                Add(one, generation.Request.Prompt[i], generation.PromptLogprobs[i], i < prompt.Added ? null : detokenizer);
            }

            one.Length = CodePoints(prompt.Text);
        }

        one.Last = update;
        one.Text.Append(update.Text);
        if (update.Logprobs is { } logprobs)
        {
            Add(one, logprobs.Chosen.Token, logprobs, one.Detokenizer);
        }
    }

    // A token begins where the text before it ends; tokens that are left out, as some special ones are, take no place.
    private void Add(Choice one, int token, TokenLogprobs? logprobs, StreamingDetokenizer? detokenizer)
    {
        one.Tokens.Add(token);
        one.Logprobs.Add(logprobs);
        one.Offsets.Add(one.Length);
        one.Length += detokenizer is not null && token < _tokenizer.VocabularySize ? CodePoints(detokenizer.Append(token)) : 0;
    }

    // As Python counts, in which most clients are written. Halves of characters do not come alone.
    private static int CodePoints(string text) => text.Count(static unit => !char.IsLowSurrogate(unit));

    public override bool HasNews(int choice) =>
        _choices[choice] is var one && (one.Text.Length > 0 || one.Tokens.Count > 0 || one.Last.Finish is not null);

    public override void WriteNews(Utf8JsonWriter json, int choice)
    {
        Choice one = _choices[choice];
        WriteWhole(json, choice);
        one.Text.Clear();
        one.Tokens.Clear();
        one.Logprobs.Clear();
        one.Offsets.Clear();
    }

    public override void WriteWhole(Utf8JsonWriter json, int choice)
    {
        Choice one = _choices[choice];
        json.WriteStartObject();
        json.WriteNumber("index", choice);
        json.WriteString("text", one.Text.ToString());
        if (one.Tokens.Count == 0)
        {
            json.WriteNull("logprobs");
        }
        else
        {
            WriteLogprobs(json, one);
        }

        WriteEnd(json, Word(one.Last.Finish), one.Last);
        json.WriteEndObject();
    }

    private void WriteLogprobs(Utf8JsonWriter json, Choice one)
    {
        json.WriteStartObject("logprobs");
        json.WriteStartArray("tokens");
        foreach (int token in one.Tokens)
        {
            json.WriteStringValue(TokenText.Distinct(_tokenizer, token));
        }

        json.WriteEndArray();
        json.WriteStartArray("token_logprobs");
        foreach (TokenLogprobs? logprobs in one.Logprobs)
        {
            if (logprobs is null)
            {
                json.WriteNullValue();
            }
            else
            {
                json.WriteNumberValue(logprobs.Chosen.Logprob);
            }
        }

        json.WriteEndArray();
        json.WriteStartArray("top_logprobs");
        foreach (TokenLogprobs? logprobs in one.Logprobs)
        {
            WriteTop(json, logprobs);
        }

        json.WriteEndArray();
        json.WriteStartArray("text_offset");
        foreach (int offset in one.Offsets)
        {
            json.WriteNumberValue(offset);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteTop(Utf8JsonWriter json, TokenLogprobs? logprobs)
    {
        if (logprobs is null)
        {
            json.WriteNullValue();
            return;
        }

        // Different tokens may have one text; the more probable one stands for it.
        json.WriteStartObject();
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (TokenLogprob entry in logprobs.Top.Append(logprobs.Chosen))
        {
            string text = TokenText.Distinct(_tokenizer, entry.Token);
            if (seen.Add(text))
            {
                json.WriteNumber(text, entry.Logprob);
            }
        }

        json.WriteEndObject();
    }

    private sealed class Choice(PromptEcho? echo, StreamingDetokenizer detokenizer)
    {
        public PromptEcho? Echo { get; set; } = echo;

        public StringBuilder Text { get; } = new();

        public List<int> Tokens { get; } = [];

        public List<TokenLogprobs?> Logprobs { get; } = [];

        /// <summary>Where each token begins in the text, in code points.</summary>
        public List<int> Offsets { get; } = [];

        /// <summary>How many code points the text has with all tokens so far.</summary>
        public int Length { get; set; }

        public StreamingDetokenizer Detokenizer => detokenizer;

        public GenerationUpdate Last { get; set; }
    }
}
