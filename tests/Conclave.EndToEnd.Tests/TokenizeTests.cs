using System.Text.Json;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

public sealed class TokenizeTests
{
    [Theory]
    [InlineData("deepseek-v3")]
    [InlineData("deepseek-v2-style")]
    [InlineData("glm-style")]
    public void Lines_are_encoded_as_Hugging_Face_does(string name)
    {
        using TemporaryFolder folder = new();
        string tokenizer = Repository.Data("text", $"{name}.tokenizer.json");
        string directory = Repository.Fable;
        if (File.Exists(tokenizer))
        {
            File.Copy(tokenizer, folder.File("tokenizer.json"));
            directory = folder.Path;
        }

        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Repository.Data("text", $"{name}.cases.json")));
        JsonElement[] cases = [.. golden.RootElement.GetProperty("cases").EnumerateArray()];
        string input = string.Join('\n', cases.Select(example => JsonSerializer.Serialize(example.GetProperty("text").GetString())));
        foreach ((string[] special, string key) in new[] { (Array.Empty<string>(), "ids_without_special"), (["--special"], "ids") })
        {
            CliResult result = Cli.Run(["tokenize", directory, "--json-lines", "-", .. special], input);
            Assert.Equal((0, ""), (result.Code, result.Error));
            Assert.Equal(cases.Length, result.Lines.Length);
            for (int i = 0; i < cases.Length; i++)
            {
                JsonElement actual = JsonDocument.Parse(result.Lines[i]).RootElement;
                int[] expected = [.. cases[i].GetProperty(key).EnumerateArray().Select(id => id.GetInt32())];
                Assert.Equal(expected, actual.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()));
                Assert.Equal(expected.Length, actual.GetProperty("tokens").GetArrayLength());
                if (special.Length == 0)
                {
                    Assert.Equal(cases[i].GetProperty("decoded").GetString(), actual.GetProperty("decoded").GetString());
                }
            }
        }
    }

    [Fact]
    public void A_text_is_shown_token_by_token()
    {
        CliResult result = Cli.Run("tokenize", Repository.Fable, "Once upon\n");
        Assert.Equal(0, result.Code);
        Assert.Equal("Once upon\n", string.Concat(result.Lines.Select(line => JsonSerializer.Deserialize<string>(line[10..]))));
        Assert.All(result.Lines, line => Assert.InRange(int.Parse(line[..8]), 0, 8191));
    }
}
