using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Testing;
using Conclave.Text.Tokenization;

namespace Conclave.Text.Tests.Tokenization;

/// <summary>Tokenizers for tests, and what they make of text.</summary>
internal static class Tokenizers
{
    /// <summary>The bundled model's.</summary>
    public static Tokenizer Fable { get; } = Tokenizer.Load(Repository.Fable);

    /// <summary>Moonshot's kind, made from the tokens of the bundled model.</summary>
    public static Tokenizer Kimi { get; } = LoadKimi();

    /// <summary>Tokens of <see cref="Kimi"/> by rank: the 256 bytes, then the other tokens of the bundled model in order of their ids.</summary>
    public static List<byte[]> KimiRanks()
    {
        List<byte[]> ranks = [.. Enumerable.Range(0, 256).Select(static value => new[] { (byte)value })];
        HashSet<string> seen = [.. ranks.Select(Convert.ToHexString)];

        // The added tokens of the bundled model come first.
        for (int id = 16; id < Fable.VocabularySize; id++)
        {
            byte[] bytes = Fable.TokenBytes(id).ToArray();
            if (seen.Add(Convert.ToHexString(bytes)))
            {
                ranks.Add(bytes);
            }
        }

        return ranks;
    }

    public static int[] Ids(this Tokenizer tokenizer, string text, bool special = false, bool recognizeSpecial = true)
    {
        List<int> ids = [];
        tokenizer.Encode(text, ids, special, recognizeSpecial);
        return [.. ids];
    }

    /// <summary>A tokenizer.json that a test changed.</summary>
    public static Tokenizer Load(JsonNode json)
    {
        using TemporaryFolder folder = new();
        folder.Write("tokenizer.json", json.ToJsonString());
        return Tokenizer.Load(folder.Path);
    }

    public static JsonNode ReadJson(params string[] parts) => JsonNode.Parse(File.ReadAllText(Repository.Data(parts)))!;

    public static int[] Integers(JsonElement array) => [.. array.EnumerateArray().Select(static id => id.GetInt32())];

    /// <summary>A byte-level tokenizer.json: the 256 bytes (ids 0 to 255 in the order of the bytes), then what the merges make.</summary>
    public static JsonObject Small(string[] merges, JsonNode? preTokenizer = null)
    {
        JsonObject vocab = [];
        for (int value = 0; value < 256; value++)
        {
            vocab.Add(ByteAlphabet.Character((byte)value).ToString(), value);
        }

        foreach (string merge in merges)
        {
            vocab.TryAdd(merge.Replace(" ", string.Empty, StringComparison.Ordinal), vocab.Count);
        }

        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(),
            ["normalizer"] = null,
            ["pre_tokenizer"] = preTokenizer ?? ByteLevel(),
            ["post_processor"] = null,
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["vocab"] = vocab,
                ["merges"] = new JsonArray([.. merges.Select(static merge => (JsonNode)merge)]),
            },
        };
    }

    public static JsonObject ByteLevel() =>
        new() { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = false };

    public static JsonObject Split(string pattern, string behavior = "Isolated", bool invert = false) => new()
    {
        ["type"] = "Split",
        ["pattern"] = new JsonObject { ["Regex"] = pattern },
        ["behavior"] = behavior,
        ["invert"] = invert,
    };

    public static JsonObject Sequence(params JsonNode[] steps) =>
        new() { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray(steps) };

    public static void WriteRanks(TemporaryFolder folder, IEnumerable<byte[]> ranks) =>
        folder.Write("tiktoken.model", string.Concat(ranks.Select(static (token, rank) => $"{Convert.ToBase64String(token)} {rank}\n")));

    private static Tokenizer LoadKimi()
    {
        using TemporaryFolder folder = new();
        List<byte[]> ranks = KimiRanks();
        WriteRanks(folder, ranks);
        JsonObject added = [];
        (int Id, string Content, bool Special)[] named =
            [(0, "[BOS]", true), (1, "[EOS]", true), (2, "<|im_end|>", true), (11, "<|tool_call_begin|>", false)];
        foreach ((int id, string content, bool special) in named)
        {
            added.Add($"{ranks.Count + id}", new JsonObject { ["content"] = content, ["special"] = special });
        }

        folder.Write("tokenizer_config.json", new JsonObject { ["added_tokens_decoder"] = added }.ToJsonString());
        return Tokenizer.Load(folder.Path);
    }
}
