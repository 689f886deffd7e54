using System.Globalization;
using Conclave.Primitives;
using Conclave.Text.Tokenization.Normalizers;
using Conclave.Text.Tokenization.PreTokenizers;

namespace Conclave.Text.Tokenization;

/// <summary>Reads tokenizer.json: a byte-level BPE model and what surrounds it. Source: Hugging Face tokenizers, serialization of Tokenizer.</summary>
/// <param name="file">tokenizer.json.</param>
/// <param name="configuration">tokenizer_config.json, which may declare more added tokens; may be absent.</param>
internal sealed class TokenizerJsonReader(string file, string configuration)
{
    /// <summary>A tokenizer with more ids than this is a mistake: tables by id would take all memory.</summary>
    public const int MaxId = 10_000_000;

    /// <exception cref="UserErrorException">The file cannot be read, is inconsistent, or asks for what is not supported; names the JSON path.</exception>
    public TokenizerParts Read()
    {
        TokenizerDocument document = TokenizerDocument.Read(file);
        JsonCursor root = document.Root;
        BytePairModelReader model = new(document);
        AddedToken[] added = ReadAddedTokens(root, model);
        if (File.Exists(configuration) && JsonCursor.ReadFile(configuration).Optional("added_tokens_decoder") is { } declared)
        {
            added = [.. added, .. ReadDeclaredTokens(declared, model, added)];
        }

        bool byteLevel = ReadDecoder(root.Optional("decoder"), out bool spaces);
        Vocabulary vocabulary = new(model.Vocabulary, added, byteLevel);
        PreTokenizer[] preTokenizers = [.. ReadPreTokenizers(root)];
        if (!Array.Exists(preTokenizers, static step => step is ByteLevel))
        {
            throw root.Error("only byte-level tokenizers are supported: \"pre_tokenizer\" has no ByteLevel step");
        }

        (int[] before, int[] after) = new PostProcessorReader(vocabulary.Size).Read(root.Optional("post_processor"));
        return new TokenizerParts
        {
            Vocabulary = vocabulary,
            Model = model.Model,
            Added = added,
            Normalizer = root.Optional("normalizer") is { } normalizer ? NormalizerReader.Read(normalizer) : null,
            PreTokenizers = preTokenizers,
            Before = before,
            After = after,
            SpacesBetweenTokens = spaces,
        };
    }

    private static AddedToken[] ReadAddedTokens(JsonCursor root, BytePairModelReader model)
    {
        if (root.Optional("added_tokens") is not { } list)
        {
            return [];
        }

        Dictionary<int, AddedToken> byId = [];
        Dictionary<string, int> ids = new(StringComparer.Ordinal);
        foreach (JsonCursor item in list.Items())
        {
            AddedToken token = ReadAddedToken(item, item.Required("id").Int32(0, MaxId));
            if (token.Content.Length == 0)
            {
                continue;
            }

            CheckAgainst(model, item, token);
            if (ids.TryGetValue(token.Content, out int known) ? known != token.Id : byId.ContainsKey(token.Id))
            {
                throw item.Error($"id {token.Id} of \"{token.Content}\": an added token before has the same id or the same content");
            }

            // Listed twice: the flags of the later one count, but special once is special.
            ids[token.Content] = token.Id;
            byId[token.Id] = byId.TryGetValue(token.Id, out AddedToken? earlier) && earlier.Special ? token with { Special = true } : token;
        }

        return [.. byId.Values];
    }

    // transformers adds those that tokenizer.json has not, and so writes them where they were added after it was made.
    private static IEnumerable<AddedToken> ReadDeclaredTokens(JsonCursor declared, BytePairModelReader model, AddedToken[] added)
    {
        HashSet<string> contents = [.. added.Select(token => token.Content)];
        HashSet<int> ids = [.. added.Select(token => token.Id)];
        foreach ((string key, JsonCursor item) in declared.Members())
        {
            if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int id) || id > MaxId)
            {
                throw item.Error($"the id \"{key}\"; a number from 0 to {MaxId} is expected");
            }

            AddedToken token = ReadAddedToken(item, id);
            if (token.Content.Length == 0 || !contents.Add(token.Content))
            {
                continue;
            }

            CheckAgainst(model, item, token);
            if (!ids.Add(id))
            {
                throw item.Error($"id {id} of \"{token.Content}\" is that of another token in tokenizer.json; correct one of the files");
            }

            yield return token;
        }
    }

    private static AddedToken ReadAddedToken(JsonCursor item, int id) => new(
        id,
        item.Required("content").String(),
        Flag(item, "single_word"),
        Flag(item, "lstrip"),
        Flag(item, "rstrip"),
        Flag(item, "normalized"),
        Flag(item, "special"));

    private static void CheckAgainst(BytePairModelReader model, JsonCursor item, AddedToken token)
    {
        bool inModel = model.Vocabulary.TryGetValue(token.Content, out int id);
        if (inModel ? id != token.Id : model.HasId(token.Id))
        {
            throw item.Error($"id {token.Id} of \"{token.Content}\" is at odds with \"model.vocab\", where {(inModel ? $"the token has id {id}" : "another token has that id")}");
        }
    }

    private static bool Flag(JsonCursor item, string name) => item.Optional(name)?.Boolean() ?? false;

    // True: characters of tokens stand for bytes. The order of the reference's steps matters only where one comes that is refused here.
    private static bool ReadDecoder(JsonCursor? decoder, out bool spaces)
    {
        spaces = decoder is null;
        if (decoder is not { } cursor)
        {
            return false;
        }

        bool byteLevel = false;
        foreach (JsonCursor step in Flatten(cursor, "decoders"))
        {
            switch (step.Required("type").String())
            {
                case "ByteLevel":
                    byteLevel = true;
                    break;
                case "Fuse" when byteLevel:
                    break;
                default:
                    throw Unsupported(step, "ByteLevel, Fuse after ByteLevel, Sequence");
            }
        }

        return byteLevel;
    }

    private static IEnumerable<PreTokenizer> ReadPreTokenizers(JsonCursor root) =>
        root.Optional("pre_tokenizer") is { } cursor ? Flatten(cursor, "pretokenizers").Select(PreTokenizerReader.Read) : [];

    /// <summary>The steps of a Sequence, whose own Sequences are flattened too; anything else is its only step.</summary>
    public static IEnumerable<JsonCursor> Flatten(JsonCursor cursor, string list)
    {
        if (cursor.Required("type").String() != "Sequence")
        {
            return [cursor];
        }

        // JSON's own depth limit bounds the recursion.
        return cursor.Required(list).Items().SelectMany(item => Flatten(item, list));
    }

    public static UserErrorException Unsupported(JsonCursor step, string supported) =>
        step.Error($"type \"{step.Required("type").String()}\" is not supported; supported here: {supported}");
}
