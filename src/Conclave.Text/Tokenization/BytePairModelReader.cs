using System.Text;
using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Tokenization;

/// <summary>Reads "model" of a tokenizer.json.</summary>
internal sealed class BytePairModelReader
{
    // What a token and its id take in released files, at least: room is made for as many tokens as the text could hold.
    private const int BytesPerToken = 16;

    private bool[] _taken = new bool[256];

    public BytePairModelReader(TokenizerDocument document)
    {
        JsonCursor model = document.Root.Required("model");

        // Old files have no type.
        if (model.Optional("type") is { } type && type.String() != "BPE")
        {
            throw TokenizerJsonReader.Unsupported(model, "BPE");
        }

        RefuseVariants(model);
        ReadVocabulary(model.Required("vocab"), document.Vocabulary.Span);

        // With a token for every byte nothing is unknown, and nothing is left for byte fallback.
        bool hasAllBytes = Enumerable.Range(0, 256).All(value => Vocabulary.ContainsKey(ByteAlphabet.Character((byte)value).ToString()));
        if (!hasAllBytes && model.Optional("byte_fallback") is { } fallback && fallback.Boolean())
        {
            throw fallback.Error("true; byte fallback is not supported, a token for each of the 256 bytes is expected");
        }

        int unknown = -1;
        if (model.Optional("unk_token") is { } token && !Vocabulary.TryGetValue(token.String(), out unknown))
        {
            unknown = hasAllBytes ? -1 : throw token.Error($"\"{token.String()}\" is not in \"vocab\"");
        }

        Model = new BytePairModel(
            Vocabulary,
            ReadMerges(model.Required("merges"), document.Merges.Span),
            model.Optional("ignore_merges")?.Boolean() ?? false,
            unknown,
            model.Optional("fuse_unk")?.Boolean() ?? false);
    }

    public Dictionary<string, int> Vocabulary { get; } = new(StringComparer.Ordinal);

    public BytePairModel Model { get; }

    public bool HasId(int id) => id < _taken.Length && _taken[id];

    private static void RefuseVariants(JsonCursor model)
    {
        if (model.Optional("dropout") is { } dropout && dropout.Double(0, 1) != 0)
        {
            throw dropout.Error("merges left out at random are not supported; null is expected");
        }

        foreach (string name in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (model.Optional(name) is { } affix && affix.String().Length > 0)
            {
                throw affix.Error($"\"{affix.String()}\"; marks inside of words are not supported; null is expected");
            }
        }
    }

    private void ReadVocabulary(JsonCursor cursor, ReadOnlySpan<byte> json)
    {
        if (cursor.Kind != JsonValueKind.Object)
        {
            throw cursor.Error("an object is expected");
        }

        Vocabulary.EnsureCapacity(Math.Min(json.Length / BytesPerToken, TokenizerJsonReader.MaxId + 1));
        Utf8JsonReader reader = Reader(json);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string token = Text(cursor, ref reader);
            reader.Read();
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int id) || id < 0 || id > TokenizerJsonReader.MaxId)
            {
                throw cursor.Error($"\"{token}\": {Short(json, ref reader)}; an id from 0 to {TokenizerJsonReader.MaxId} is expected");
            }

            if (HasId(id))
            {
                throw cursor.Error($"\"{token}\": id {id} was given to another token before");
            }

            if (!Vocabulary.TryAdd(token, id))
            {
                throw cursor.Error($"\"{token}\" is there twice");
            }

            Take(id);
        }
    }

    private void Take(int id)
    {
        if (id >= _taken.Length)
        {
            Array.Resize(ref _taken, Math.Max(id + 1, Math.Min(2 * _taken.Length, TokenizerJsonReader.MaxId + 1)));
        }

        _taken[id] = true;
    }

    private static string Text(JsonCursor cursor, ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw cursor.Error("a token with an unpaired surrogate; only valid Unicode can be used");
        }
    }

    private PairMergeTable ReadMerges(JsonCursor cursor, ReadOnlySpan<byte> json)
    {
        if (cursor.Kind != JsonValueKind.Array)
        {
            throw cursor.Error("an array is expected");
        }

        // As a rule, a merge makes a token.
        Dictionary<ulong, long> merges = new(Vocabulary.Count);
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> vocabulary = Vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        Utf8JsonReader reader = Reader(json);
        reader.Read();
        char[] buffer = new char[256];
        int index = 0;
        int rank = 0;
        for (; reader.Read() && reader.TokenType != JsonTokenType.EndArray; index++)
        {
            ReadOnlySpan<char> merged = ReadMerge(cursor, json, ref reader, index, ref buffer, out int split);

            // A header that came along from merges.txt.
            if (split < 0)
            {
                continue;
            }

            if (!vocabulary.TryGetValue(merged[..split], out int left)
                || !vocabulary.TryGetValue(merged[split..], out int right)
                || !vocabulary.TryGetValue(merged, out int id))
            {
                throw cursor.Error($"merge {index} (\"{merged[..split]}\" and \"{merged[split..]}\"): both and \"{merged}\" are expected in \"vocab\"");
            }

            merges[PairMergeTable.Key(left, right)] = PairMergeTable.Value(rank++, id);
        }

        return new PairMergeTable(merges);
    }

    // "a b" (a pair with a space between) or ["a", "b"]: both together, and where the second one begins.
    private static ReadOnlySpan<char> ReadMerge(
        JsonCursor cursor, ReadOnlySpan<byte> json, ref Utf8JsonReader reader, int index, ref char[] buffer, out int split)
    {
        Utf8JsonReader item = reader;
        try
        {
            if (reader.TokenType == JsonTokenType.String)
            {
                int length = Append(ref reader, ref buffer, 0);
                Span<char> text = buffer.AsSpan(0, length);
                if (text.StartsWith("#version"))
                {
                    split = -1;
                    return text;
                }

                split = text.IndexOf(' ');
                if (split >= 0 && !text[(split + 1)..].Contains(' '))
                {
                    text[(split + 1)..].CopyTo(text[split..]);
                    return text[..^1];
                }
            }
            else if (reader.TokenType == JsonTokenType.StartArray && reader.Read() && reader.TokenType == JsonTokenType.String)
            {
                split = Append(ref reader, ref buffer, 0);
                if (reader.Read() && reader.TokenType == JsonTokenType.String)
                {
                    int length = Append(ref reader, ref buffer, split);
                    if (reader.Read() && reader.TokenType == JsonTokenType.EndArray)
                    {
                        return buffer.AsSpan(0, length);
                    }
                }
            }
        }
        catch (InvalidOperationException)
        {
            throw cursor.Error($"merge {index}: an unpaired surrogate; only valid Unicode can be used");
        }

        throw cursor.Error($"merge {index}: {Short(json, ref item)}; two tokens are expected, as \"a b\" or [\"a\", \"b\"]");
    }

    // Returns where the string ends in the buffer.
    private static int Append(ref Utf8JsonReader reader, ref char[] buffer, int start)
    {
        // UTF-16 never has more units than UTF-8 has bytes.
        int most = start + reader.ValueSpan.Length;
        if (most > buffer.Length)
        {
            Array.Resize(ref buffer, Math.Max(most, 2 * buffer.Length));
        }

        return start + reader.CopyString(buffer.AsSpan(start));
    }

    private static Utf8JsonReader Reader(ReadOnlySpan<byte> json) => new(json, new JsonReaderOptions { MaxDepth = TokenizerDocument.MaxDepth });

    private static string Short(ReadOnlySpan<byte> json, ref Utf8JsonReader reader)
    {
        int start = (int)reader.TokenStartIndex;
        reader.Skip();
        string text = Encoding.UTF8.GetString(json[start..(int)reader.BytesConsumed]);
        return text.Length <= 60 ? text : string.Concat(text.AsSpan(0, 60), "…");
    }
}
