using System.Runtime.CompilerServices;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>
/// A tokenizer's vocabulary prepared for constrained decoding: the byte sequences of its tokens as a trie, and the masks computed so far
/// for each grammar in use. Made once per tokenizer; any number of threads may use one.
/// The first grammar with JSON's strings takes some 20 ms for its first masks over 128,000 tokens, later ones a tenth of that. Special tokens, and others that the tokenizer
/// keeps beside its model's vocabulary (markers of tool calls, for example), never stand for text: a grammar names them by id.
/// </summary>
public sealed class TokenMasks
{
    private const int CacheLimit = 8_000_000;

    private readonly ConditionalWeakTable<Grammar, GrammarMasks> _grammars = [];
    private readonly SharedFrames _shared = new();
    private readonly TokenTrie _trie;
    private readonly byte[]?[] _bytes;
    private readonly int[] _endTokens;
    private readonly int _cacheLimit;

    /// <summary>Prepares a tokenizer's vocabulary.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="endTokens">The end-of-text tokens; they are allowed where a text is complete. May be empty.</param>
    /// <exception cref="UserErrorException">An end token is outside the vocabulary, or the decoder puts spaces between tokens.</exception>
    public TokenMasks(Tokenizer tokenizer, params ReadOnlySpan<int> endTokens)
        : this(TextTokens(tokenizer, endTokens), [.. endTokens])
    {
    }

    /// <param name="bytes">By token id: its bytes if it stands for text, else null.</param>
    /// <param name="endTokens">The end-of-text tokens.</param>
    /// <param name="cacheLimit">How much a grammar's caches may hold, in words of 4 bytes.</param>
    internal TokenMasks(byte[]?[] bytes, int[] endTokens, int cacheLimit = CacheLimit)
    {
        _cacheLimit = cacheLimit;
        _bytes = bytes;
        _endTokens = endTokens;
        _trie = new TokenTrie(_bytes.Index().Where(static token => token.Item is not null).Select(static token => (token.Index, token.Item!)));
    }

    /// <summary>The number of token ids.</summary>
    public int VocabularySize => _bytes.Length;

    /// <summary>The length of a mask: a bit per token id, the lowest bit of the first word for id 0.</summary>
    public int MaskWords => (_bytes.Length + 31) / 32;

    /// <summary>Begins a text that a grammar constrains.</summary>
    /// <exception cref="UserErrorException">The grammar is too large, or it names a token that is not in the vocabulary.</exception>
    public GrammarMatcher CreateMatcher(Grammar grammar)
    {
        int token = grammar.Program.HighestToken;
        return token < VocabularySize
            ? new GrammarMatcher(this, _grammars.GetValue(grammar, key => new GrammarMasks(key, _trie, _shared, MaskWords, _cacheLimit)))
            : throw new UserErrorException($"the grammar names the token {token}; the vocabulary ends at {VocabularySize - 1}");
    }

    internal ReadOnlySpan<int> EndTokens => _endTokens;

    /// <summary>The bytes of a token that stands for text; empty for any other.</summary>
    internal ReadOnlySpan<byte> TextOf(int token) => (uint)token < (uint)_bytes.Length ? _bytes[token] : [];

    private static byte[]?[] TextTokens(Tokenizer tokenizer, ReadOnlySpan<int> endTokens)
    {
        if (tokenizer.SpacesBetweenTokens)
        {
            throw new UserErrorException("the tokenizer's decoder puts spaces between tokens; grammars need one whose text is the bytes of its tokens");
        }

        foreach (int token in endTokens)
        {
            _ = tokenizer.TokenBytes(token);
        }

        byte[]?[] bytes = new byte[]?[tokenizer.VocabularySize];
        for (int id = 0; id < bytes.Length; id++)
        {
            bool text = !tokenizer.IsSpecial(id) && !tokenizer.IsAdded(id) && !endTokens.Contains(id) && !tokenizer.TokenBytes(id).IsEmpty;
            bytes[id] = text ? [.. tokenizer.TokenBytes(id)] : null;
        }

        return bytes;
    }
}
