using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Testing;
using Conclave.Text.Patterns;
using Conclave.Text.Tokenization;
using Conclave.Text.Unicode;

namespace Conclave.Text.Tests.Tokenization;

/// <summary>Answers that other programs gave (each file in tests/data/text names its own).</summary>
public sealed class ReferenceTests
{
    [Fact]
    public void VariantsOfATokenizerAgreeWithHuggingFace()
    {
        using JsonDocument golden = Read("variants.json");
        int count = 0;
        foreach (JsonElement variant in golden.RootElement.GetProperty("variants").EnumerateArray())
        {
            JsonElement overlay = variant.GetProperty("overlay");
            Tokenizer tokenizer = Tokenizers.Load(Overlay(overlay));
            foreach (JsonElement item in variant.GetProperty("cases").EnumerateArray())
            {
                int[] expected = Tokenizers.Integers(item.GetProperty("ids"));
                int[] ids = tokenizer.Ids(item.GetProperty("text").GetString()!, special: true);
                Assert.True(expected.SequenceEqual(ids), $"{overlay} {item}: {string.Join(',', ids)}");
                Assert.Equal(item.GetProperty("decoded").GetString(), tokenizer.Decode(ids, skipSpecialTokens: false));
                Assert.Equal(item.GetProperty("decoded_skip_special").GetString(), tokenizer.Decode(ids, skipSpecialTokens: true));
                count++;
            }
        }

        Assert.Equal(60 * 14, count);
    }

    [Fact]
    public void MoonshotTokenizerAgreesWithTiktoken()
    {
        using JsonDocument golden = Read("kimi.cases.json");
        int count = 0;
        foreach (JsonElement item in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            int[] expected = Tokenizers.Integers(item.GetProperty("ids"));
            Assert.Equal(expected, Tokenizers.Kimi.Ids(text));
            Assert.Equal(text, Tokenizers.Kimi.Decode(expected, skipSpecialTokens: false));
            Assert.Equal(Tokenizers.Integers(item.GetProperty("ordinary")), Tokenizers.Kimi.Ids(text, recognizeSpecial: false));
            count++;
        }

        Assert.Equal(150, count);
    }

    [Fact]
    public void PatternsAgreeWithOniguruma()
    {
        using JsonDocument golden = Read("patterns.json");
        int count = 0;
        foreach (JsonElement item in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            string pattern = item.GetProperty("pattern").GetString()!;
            int[] text = CodePoints.From(item.GetProperty("text").GetString());
            Assert.True(item.GetProperty("matches").GetString() == Scan(pattern, text), $"{item}: {Scan(pattern, text)}");
            count++;
        }

        Assert.Equal(430, count);
    }

    [Fact]
    public void NormalFormsAgreeWithPython()
    {
        using JsonDocument golden = Read("normal-forms.json");
        int count = 0;
        foreach (JsonElement item in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            int[] text = CodePoints.From(item.GetProperty("text").GetString());
            foreach (string form in (string[])["NFC", "NFD", "NFKC", "NFKD"])
            {
                Assert.Equal(
                    CodePoints.From(item.GetProperty(form).GetString()),
                    NormalForm.Apply(text, compatibility: form.Contains('K'), compose: form.EndsWith('C')));
            }

            count++;
        }

        Assert.Equal(700, count);
    }

    internal static string Scan(string pattern, int[] text)
    {
        Pattern compiled = new(pattern);
        MatchState state = new(text.Length);
        List<string> matches = [];
        int last = -1;
        while (compiled.TryNext(text, last, state, out int start, out int end))
        {
            matches.Add($"{start}-{end}");
            last = end;
        }

        return string.Join(' ', matches);
    }

    private static JsonNode Overlay(JsonElement overlay)
    {
        JsonNode json = Tokenizers.ReadJson("text", "glm-style.tokenizer.json");
        foreach (JsonProperty member in overlay.EnumerateObject())
        {
            switch (member.Name)
            {
                case "ignore_merges":
                    json["model"]!["ignore_merges"] = member.Value.GetBoolean();
                    break;
                case "merges_as_strings":
                    json["model"]!["merges"] = new JsonArray(
                        [.. json["model"]!["merges"]!.AsArray().Select(static pair => (JsonNode)$"{pair![0]} {pair[1]}")]);
                    break;
                default:
                    json[member.Name] = JsonNode.Parse(member.Value.GetRawText());
                    break;
            }
        }

        return json;
    }

    private static JsonDocument Read(string name) => JsonDocument.Parse(File.ReadAllBytes(Repository.Data("text", name)));
}
