using Conclave.Primitives;
using Conclave.Text.Patterns;
using Conclave.Text.Tokenization;
using Conclave.Text.Tokenization.Normalizers;
using Conclave.Text.Tokenization.PreTokenizers;

namespace Conclave.Text;

/// <summary>
/// Text to token ids and back, as the files of a model define it: a byte-level BPE tokenizer.json as Hugging Face's tokenizers runs it, or
/// a tiktoken.model as Moonshot's Kimi K2 and Moonlight ship it. Instances are immutable: any number of threads may use one.
/// </summary>
public sealed class Tokenizer
{
    private readonly Vocabulary _vocabulary;
    private readonly BytePairModel _model;
    private readonly Normalizer? _normalizer;
    private readonly PreTokenizer[] _preTokenizers;
    private readonly AddedTokenMatcher _raw;
    private readonly AddedTokenMatcher _normalized;
    private readonly int[] _before;
    private readonly int[] _after;
    private readonly bool _moonshot;
    private readonly FewestTokens? _fewest;

    internal Tokenizer(TokenizerParts parts)
    {
        _vocabulary = parts.Vocabulary;
        _model = parts.Model;
        _normalizer = parts.Normalizer;
        _preTokenizers = parts.PreTokenizers;
        _before = parts.Before;
        _after = parts.After;
        _moonshot = parts.Moonshot;
        SpacesBetweenTokens = parts.SpacesBetweenTokens;
        _fewest = TokensAreTheText(parts) ? new FewestTokens(parts.Vocabulary, parts.Added) : null;

        // Special tokens come first: where two added tokens have one content after normalization, the reference takes the first of this order.
        AddedToken[] added = [.. parts.Added.OrderBy(static token => token.Special ? 0 : 1)];
        _raw = new AddedTokenMatcher(added.Where(static token => !token.Normalized).Select(static token => (CodePoints.From(token.Content), token)));
        _normalized = new AddedTokenMatcher(added.Where(static token => token.Normalized).Select(token => (NormalizeContent(token), token)));
    }

    /// <summary>The number of ids: the highest one, added tokens included, plus 1.</summary>
    public int VocabularySize => _vocabulary.Size;

    internal bool SpacesBetweenTokens { get; }

    /// <summary>Reads the tokenizer of a model directory: tokenizer.json or else tiktoken.model, with tokenizer_config.json.</summary>
    /// <exception cref="UserErrorException">Neither file is there, or what it says is wrong or not supported.</exception>
    public static Tokenizer Load(string directory)
    {
        string json = Path.Combine(directory, "tokenizer.json");
        string configuration = Path.Combine(directory, "tokenizer_config.json");
        if (File.Exists(json))
        {
            return new Tokenizer(SurroundingTokensReader.Read(new TokenizerJsonReader(json, configuration).Read(), configuration));
        }

        string ranks = Path.Combine(directory, "tiktoken.model");
        return File.Exists(ranks)
            ? new Tokenizer(TiktokenReader.Read(ranks, configuration))
            : throw new UserErrorException($"{directory}: no tokenizer; one of the files tokenizer.json and tiktoken.model is expected here");
    }

    /// <summary>Appends the ids of a text.</summary>
    /// <param name="text">UTF-16; a lone surrogate counts as U+FFFD.</param>
    /// <param name="ids">The list that the ids are appended to.</param>
    /// <param name="addSpecialTokens">Adds what the tokenizer's template puts around a text (a beginning-of-sentence token, for example).</param>
    /// <param name="recognizeSpecial">
    /// Special tokens that are written out in the text become their ids. False for text that must stay text: then tokens marked special are
    /// encoded like any other characters (of a tiktoken.model: all tokens beyond the base vocabulary).
    /// </param>
    /// <param name="most">Stops once there are more ids than this, or does not begin where the text is so long that there must be: it is of no use then.</param>
    /// <param name="cancellation">Stops between two pieces of the text.</param>
    /// <returns>How many ids the text has; where they are more than <paramref name="most"/>, a greater number than that which it has at least.</returns>
    /// <exception cref="UserErrorException">A pattern of the tokenizer needs more steps than a text of this length is given.</exception>
    public long Encode(
        ReadOnlySpan<char> text, List<int> ids, bool addSpecialTokens, bool recognizeSpecial = true, int most = int.MaxValue, CancellationToken cancellation = default)
    {
        int earlier = ids.Count;
        long fewest = (_fewest?.Of(text) ?? 0) + (addSpecialTokens ? _before.Length + _after.Length : 0);
        if (fewest > most)
        {
            return fewest;
        }

        if (addSpecialTokens)
        {
            ids.AddRange(_before);
        }

        int[] points = CodePoints.From(text);
        PreTokenizedText pieces = new(new MatchState(points.Length, cancellation), new TextGrowth(points.Length));
        Encoding encoding = new(pieces, new BytePairScratch(), [], ids, recognizeSpecial, earlier + (long)most, cancellation);
        if (_moonshot)
        {
            MoonshotChunks chunks = new(points);
            while (!encoding.IsFull && chunks.TryNext(out Range range))
            {
                EncodeRaw(points.AsSpan(range), encoding);
            }
        }
        else
        {
            EncodeRaw(points, encoding);
        }

        if (addSpecialTokens)
        {
            ids.AddRange(_after);
        }

        return ids.Count - earlier;
    }

    /// <summary>
    /// The text of ids: the bytes of all tokens together, read as UTF-8; each maximal part that is not valid becomes U+FFFD.
    /// </summary>
    /// <param name="ids">Token ids; ids that no token has (gaps in the vocabulary) contribute nothing.</param>
    /// <param name="skipSpecialTokens">Leaves special tokens out.</param>
    /// <exception cref="UserErrorException">An id is outside the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        StreamingDetokenizer detokenizer = new(this, skipSpecialTokens);
        foreach (int id in ids)
        {
            detokenizer.Add(id);
        }

        return detokenizer.Flush();
    }

    /// <summary>The token as the vocabulary writes it ("Ġt" for a space and a t); empty for a gap in the vocabulary.</summary>
    /// <exception cref="UserErrorException">The id is outside the vocabulary.</exception>
    public string TokenText(int id) => _vocabulary.Text(id);

    /// <summary>Finds the id of a token as the vocabulary writes it.</summary>
    public bool TryGetId(string token, out int id) => _vocabulary.TryGetId(token, out id);

    /// <summary>The bytes that a token stands for in decoded text; empty for a gap in the vocabulary.</summary>
    /// <exception cref="UserErrorException">The id is outside the vocabulary.</exception>
    public ReadOnlySpan<byte> TokenBytes(int id) => _vocabulary.Bytes(id);

    /// <summary>Whether the token is marked special.</summary>
    /// <exception cref="UserErrorException">The id is outside the vocabulary.</exception>
    public bool IsSpecial(int id) => _vocabulary.IsSpecial(id);

    internal bool IsGap(int id) => _vocabulary.IsGap(id);

    /// <summary>Whether the token was put beside the model's own ones (special tokens, and markers such as those of tool calls).</summary>
    internal bool IsAdded(int id) => _vocabulary.IsAdded(id);

    // Tokens that must be found in the raw text first, then, in what lies between, those that must be found in normalized text.
    private void EncodeRaw(ReadOnlySpan<int> text, Encoding encoding)
    {
        if (_moonshot && !encoding.RecognizeSpecial)
        {
            EncodePieces(text, encoding);
            return;
        }

        List<AddedTokenMatcher.Segment> segments = [];
        _raw.Split(text, encoding.RecognizeSpecial, segments);
        foreach (AddedTokenMatcher.Segment segment in segments)
        {
            if (encoding.IsFull)
            {
                return;
            }

            if (segment.Token is { } token)
            {
                encoding.Ids.Add(token.Id);
                continue;
            }

            ReadOnlySpan<int> stretch = text.Slice(segment.Start, segment.Length);
            EncodeNormalized(_normalizer is null ? stretch : _normalizer.Normalize(stretch.ToArray(), encoding.Text.Growth), encoding);
        }
    }

    private void EncodeNormalized(ReadOnlySpan<int> text, Encoding encoding)
    {
        encoding.Segments.Clear();
        _normalized.Split(text, encoding.RecognizeSpecial, encoding.Segments);
        foreach (AddedTokenMatcher.Segment segment in encoding.Segments)
        {
            if (encoding.IsFull)
            {
                return;
            }

            if (segment.Token is { } token)
            {
                encoding.Ids.Add(token.Id);
            }
            else
            {
                EncodePieces(text.Slice(segment.Start, segment.Length), encoding);
            }
        }
    }

    private void EncodePieces(ReadOnlySpan<int> text, Encoding encoding)
    {
        encoding.Text.Reset(text);
        foreach (PreTokenizer step in _preTokenizers)
        {
            step.Apply(encoding.Text);
        }

        foreach (PreTokenizedText.Piece piece in encoding.Text.Pieces)
        {
            encoding.Cancellation.ThrowIfCancellationRequested();
            if (encoding.IsFull)
            {
                return;
            }

            _model.Encode(encoding.Text[piece], encoding.Scratch, encoding.Ids, encoding.Cancellation);
        }
    }

    // Nothing rewrites the text or leaves something of it out, and no token takes spaces along that are not its own.
    private static bool TokensAreTheText(TokenizerParts parts) =>
        parts.Normalizer is null
        && parts.Model.KnowsEveryByte
        && Array.TrueForAll(parts.PreTokenizers, static step => step.KeepsText)
        && parts.PreTokenizers.Count(static step => step is ByteLevel) == 1
        && !parts.Added.Any(static token => token.LeftStrip || token.RightStrip);

    private int[] Normalize(int[] text, TextGrowth growth) => _normalizer is null ? text : _normalizer.Normalize(text, growth);

    private int[] NormalizeContent(AddedToken token)
    {
        int[] content = CodePoints.From(token.Content);
        return Normalize(content, new TextGrowth(content.Length));
    }

    private sealed record Encoding(
        PreTokenizedText Text,
        BytePairScratch Scratch,
        List<AddedTokenMatcher.Segment> Segments,
        List<int> Ids,
        bool RecognizeSpecial,
        long Most,
        CancellationToken Cancellation)
    {
        public bool IsFull => Ids.Count > Most;
    }
}
