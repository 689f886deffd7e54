using System.Text;
using System.Text.Json.Nodes;
using Conclave.Testing;

namespace Conclave.Fuzzing;

/// <summary>Tokenizers that are like released ones but small: bytes and the first few merges.</summary>
internal static class SmallTokenizers
{
    private const int Merges = 40;

    public static IEnumerable<byte[]> Json()
    {
        string[] files = [Path.Combine(Repository.Fable, "tokenizer.json"), Repository.Data("text", "deepseek-v2-style.tokenizer.json"), Repository.Data("text", "glm-style.tokenizer.json")];
        foreach (string file in files)
        {
            yield return Encode(Reduce(Parse(file), []));
        }

        // Normalizers, patterns and post-processors in many combinations; the ids that some of them name are added tokens of the bundled model.
        foreach (JsonNode? variant in Parse(Repository.Data("text", "variants.json"))["variants"]!.AsArray())
        {
            JsonObject overlay = variant!["overlay"]!.AsObject();
            if (!overlay.ContainsKey("added_tokens"))
            {
                yield return Encode(Reduce(Parse(files[0]), overlay));
            }
        }
    }

    public static byte[] Ranks()
    {
        StringBuilder text = new();
        for (int value = 0; value < 256; value++)
        {
            text.Append($"{Convert.ToBase64String([(byte)value])} {value}\n");
        }

        string[] words = ["ab", "It", " a", "aa", "  ", "中", "12", "abc", " ab"];
        for (int i = 0; i < words.Length; i++)
        {
            text.Append($"{Convert.ToBase64String(Encoding.UTF8.GetBytes(words[i]))} {256 + i}\n");
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    public static byte[] RanksConfig() => Encoding.UTF8.GetBytes(
        """
        {"added_tokens_decoder": {"265": {"content": "[BOS]", "special": true}, "266": {"content": "[EOS]", "lstrip": false, "special": true},
        "276": {"content": "<|x|>", "special": false}}, "bos_token": {"content": "[BOS]"}, "eos_token": "[EOS]",
        "chat_template": [{"name": "default", "template": "x"}, {"name": "tool_use", "template": "y"}], "add_bos_token": true, "model_max_length": 1e30, "tokenizer_class": "TikTokenTokenizer"}
        """);

    // Ids stay what they are, so that post-processors fit.
    private static JsonNode Reduce(JsonNode json, JsonObject overlay)
    {
        JsonObject model = json["model"]!.AsObject();
        JsonObject vocabulary = model["vocab"]!.AsObject();
        string[][] merges = [.. model["merges"]!.AsArray().Take(Merges).Select(pair => pair!.AsArray().Select(part => part!.GetValue<string>()).ToArray())];
        HashSet<string> kept = [.. merges.Select(pair => pair[0] + pair[1]), .. json["added_tokens"]!.AsArray().Select(token => token!["content"]!.GetValue<string>())];
        model["vocab"] = new JsonObject(vocabulary.Where(token => token.Key.Length == 1 || kept.Contains(token.Key)).Select(token => KeyValuePair.Create(token.Key, (JsonNode?)token.Value!.DeepClone())));
        model["merges"] = new JsonArray([.. merges.Select(pair => overlay.ContainsKey("merges_as_strings") ? (JsonNode)string.Join(' ', pair) : new JsonArray(pair[0], pair[1]))]);
        foreach ((string name, JsonNode? value) in overlay)
        {
            (name == "ignore_merges" ? model : json)[name] = value?.DeepClone();
        }

        return json;
    }

    private static JsonNode Parse(string file) => JsonNode.Parse(File.ReadAllBytes(file))!;

    private static byte[] Encode(JsonNode json) => Encoding.UTF8.GetBytes(json.ToJsonString());
}
