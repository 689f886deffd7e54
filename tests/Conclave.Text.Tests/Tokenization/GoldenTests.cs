using System.Text.Json;
using Conclave.Testing;

namespace Conclave.Text.Tests.Tokenization;

/// <summary>What Hugging Face's tokenizers answered for hostile strings.</summary>
public sealed class GoldenTests
{
    [Theory]
    [InlineData("deepseek-v3", null)]
    [InlineData("deepseek-v2-style", "deepseek-v2-style.tokenizer.json")]
    [InlineData("glm-style", "glm-style.tokenizer.json")]
    public void AgreesWithTheReference(string cases, string? tokenizerFile)
    {
        Tokenizer tokenizer = LoadGolden(tokenizerFile);
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Repository.Data("text", $"{cases}.cases.json")));
        int count = 0;
        foreach (JsonElement item in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            int[] expected = Ids(item.GetProperty("ids"));
            Assert.Equal(expected, Encode(tokenizer, text, special: true));
            int[] without = Ids(item.GetProperty("ids_without_special"));
            Assert.Equal(without, Encode(tokenizer, text, special: false));
            // The reference decoded what the text alone became.
            Assert.Equal(item.GetProperty("decoded").GetString(), tokenizer.Decode(without, skipSpecialTokens: false));
            Assert.Equal(item.GetProperty("decoded_skip_special").GetString(), tokenizer.Decode(expected, skipSpecialTokens: true));
            count++;
        }

        Assert.Equal(240, count);
    }

    private static Tokenizer LoadGolden(string? file)
    {
        if (file is null)
        {
            return Tokenizer.Load(Repository.Fable);
        }

        using TemporaryFolder folder = new();
        File.Copy(Repository.Data("text", file), folder.File("tokenizer.json"));
        return Tokenizer.Load(folder.Path);
    }

    private static int[] Encode(Tokenizer tokenizer, string text, bool special)
    {
        List<int> ids = [];
        tokenizer.Encode(text, ids, addSpecialTokens: special);
        return [.. ids];
    }

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(static id => id.GetInt32())];
}
