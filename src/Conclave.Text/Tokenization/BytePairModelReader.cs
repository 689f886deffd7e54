using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Tokenization;

/// <summary>Reads "model" of a tokenizer.json.</summary>
internal sealed class BytePairModelReader
{
    private readonly HashSet<int> _ids;

    public BytePairModelReader(JsonCursor model)
    {
        // Old files have no type.
        if (model.Optional("type") is { } type && type.String() != "BPE")
        {
            throw TokenizerJsonReader.Unsupported(model, "BPE");
        }

        RefuseVariants(model);
        Vocabulary = ReadVocabulary(model.Required("vocab"), out _ids);
        int unknown = -1;
        if (model.Optional("unk_token") is { } token && !Vocabulary.TryGetValue(token.String(), out unknown))
        {
            throw token.Error($"\"{token.String()}\" is not in \"vocab\"");
        }

        Model = new BytePairModel(
            Vocabulary,
            ReadMerges(model.Required("merges")),
            model.Optional("ignore_merges")?.Boolean() ?? false,
            unknown,
            model.Optional("fuse_unk")?.Boolean() ?? false);
    }

    public Dictionary<string, int> Vocabulary { get; }

    public BytePairModel Model { get; }

    public bool HasId(int id) => _ids.Contains(id);

    private static void RefuseVariants(JsonCursor model)
    {
        if (model.Optional("byte_fallback") is { } fallback && fallback.Boolean())
        {
            throw fallback.Error("true; byte fallback is not supported (byte-level vocabularies need none)");
        }

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

    // A cursor per token would cost more than the tokens: elements are read directly, and a cursor complains where one is wrong.
    private static Dictionary<string, int> ReadVocabulary(JsonCursor cursor, out HashSet<int> ids)
    {
        Dictionary<string, int> vocabulary = new(StringComparer.Ordinal);
        ids = [];
        if (cursor.Kind != JsonValueKind.Object)
        {
            throw cursor.Error("an object is expected");
        }

        vocabulary.EnsureCapacity(cursor.Element.GetPropertyCount());
        ids.EnsureCapacity(cursor.Element.GetPropertyCount());
        foreach (JsonProperty property in cursor.Element.EnumerateObject())
        {
            string token = Text(cursor, property);
            if (property.Value.ValueKind != JsonValueKind.Number || !property.Value.TryGetInt32(out int id) || id < 0
                || id > TokenizerJsonReader.MaxId)
            {
                throw cursor.Error($"\"{token}\": {Short(property.Value)}; an id from 0 to {TokenizerJsonReader.MaxId} is expected");
            }

            if (!ids.Add(id))
            {
                throw cursor.Error($"\"{token}\": id {id} was given to another token before");
            }

            vocabulary[token] = id;
        }

        return vocabulary;
    }

    private static string Text(JsonCursor cursor, JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw cursor.Error("a token with an unpaired surrogate; only valid Unicode can be used");
        }
    }

    private PairMergeTable ReadMerges(JsonCursor cursor)
    {
        if (cursor.Kind != JsonValueKind.Array)
        {
            throw cursor.Error("an array is expected");
        }

        Dictionary<ulong, long> merges = new(cursor.Element.GetArrayLength());
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> vocabulary = Vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        int index = 0;
        int rank = 0;
        foreach (JsonElement item in cursor.Element.EnumerateArray())
        {
            string merged = ReadMerge(cursor, item, index, out int split);
            index++;

            // A header that came along from merges.txt.
            if (split < 0)
            {
                continue;
            }

            if (!vocabulary.TryGetValue(merged.AsSpan(0, split), out int left)
                || !vocabulary.TryGetValue(merged.AsSpan(split), out int right)
                || !vocabulary.TryGetValue(merged, out int id))
            {
                throw cursor.Error(
                    $"merge {index - 1} (\"{merged[..split]}\" and \"{merged[split..]}\"): both and \"{merged}\" are expected in \"vocab\"");
            }

            merges[PairMergeTable.Key(left, right)] = PairMergeTable.Value(rank++, id);
        }

        return new PairMergeTable(merges);
    }

    // "a b" (a pair with a space between) or ["a", "b"]: both together, and where the second one begins.
    private static string ReadMerge(JsonCursor cursor, JsonElement item, int index, out int split)
    {
        try
        {
            if (item.ValueKind == JsonValueKind.String)
            {
                string text = item.GetString()!;
                split = text.StartsWith("#version", StringComparison.Ordinal) ? -1 : text.IndexOf(' ');
                if (split == -1 && text.StartsWith("#version", StringComparison.Ordinal))
                {
                    return text;
                }

                if (split >= 0 && text.IndexOf(' ', split + 1) < 0)
                {
                    return string.Concat(text.AsSpan(0, split), text.AsSpan(split + 1));
                }
            }
            else if (item.ValueKind == JsonValueKind.Array && item.GetArrayLength() == 2
                && item[0].ValueKind == JsonValueKind.String && item[1].ValueKind == JsonValueKind.String)
            {
                string left = item[0].GetString()!;
                split = left.Length;
                return left + item[1].GetString();
            }
        }
        catch (InvalidOperationException)
        {
            throw cursor.Error($"merge {index}: an unpaired surrogate; only valid Unicode can be used");
        }

        throw cursor.Error($"merge {index}: {Short(item)}; two tokens are expected, as \"a b\" or [\"a\", \"b\"]");
    }

    private static string Short(JsonElement element)
    {
        string text = element.GetRawText();
        return text.Length <= 60 ? text : string.Concat(text.AsSpan(0, 60), "…");
    }
}
