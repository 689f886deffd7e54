using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Text.Tests.Tokenization;

/// <summary>The tokens of beginning and end, which tokenizer_config.json adds where tokenizer.json has none, as DeepSeek's have none.</summary>
public sealed class SurroundingTokensTests
{
    private const int Bos = 300;
    private const int Eos = 301;

    [Theory]
    [InlineData("LlamaTokenizerFast", "true", "false", false, new[] { Bos, 'a' })]
    [InlineData("LlamaTokenizerFast", "true", "true", false, new[] { Bos, 'a', Eos })]
    [InlineData("LlamaTokenizerFast", "true", "false", true, new[] { Bos, 'a' })]
    [InlineData("LlamaTokenizerFast", "false", "true", true, new[] { 'a', Eos })]
    [InlineData("LlamaTokenizerFast", "null", "null", true, new[] { Bos, 'a', Eos })]
    [InlineData("PreTrainedTokenizerFast", "true", "false", false, new[] { Bos, 'a' })]
    [InlineData("PreTrainedTokenizerFast", "false", "false", true, new[] { Bos, 'a', Eos })]
    [InlineData("PreTrainedTokenizerFast", "null", "null", false, new int[] { 'a' })]
    public void TheyStandWhereTheConfigurationWantsThem(string kind, string addBos, string addEos, bool template, int[] expected)
    {
        using TemporaryFolder folder = Folder(template, $$"""{"tokenizer_class":"{{kind}}","add_bos_token":{{addBos}},"add_eos_token":{{addEos}},"bos_token":{"content":"<s>"},"eos_token":"</s>"}""");
        Tokenizer tokenizer = Tokenizer.Load(folder.Path);
        Assert.Equal(expected, tokenizer.Ids("a", special: true));
        Assert.Equal(['a'], tokenizer.Ids("a", special: false));
    }

    [Theory]
    [InlineData("LlamaTokenizerFast", false, new[] { Bos, 'a' })]
    [InlineData("LlamaTokenizerFast", true, new[] { Bos, 'a' })]
    [InlineData("PreTrainedTokenizerFast", false, new int[] { 'a' })]
    [InlineData("PreTrainedTokenizerFast", true, new[] { Bos, 'a', Eos })]
    public void AClassHasItsOwnWordWhereTheConfigurationHasNone(string kind, bool template, int[] expected)
    {
        using TemporaryFolder folder = Folder(template, $$"""{"tokenizer_class":"{{kind}}","bos_token":{"content":"<s>"},"eos_token":"</s>"}""");
        Assert.Equal(expected, Tokenizer.Load(folder.Path).Ids("a", special: true));
    }

    [Fact]
    public void TokensOfTheConfigurationAloneAreTokens()
    {
        using TemporaryFolder folder = Folder(template: false, """
            {"added_tokens_decoder":{"300":{"content":"<s>","special":false},"302":{"content":"<tool>","special":true}},
             "tokenizer_class":"PreTrainedTokenizerFast","add_bos_token":true,"bos_token":"<tool>"}
            """);
        Tokenizer tokenizer = Tokenizer.Load(folder.Path);
        Assert.Equal([302, 'a', 302, Bos], tokenizer.Ids("a<tool><s>", special: true));
        Assert.Equal(303, tokenizer.VocabularySize);
    }

    [Fact]
    public void WhereEveryByteHasATokenNothingIsUnknown()
    {
        JsonNode json = Tokenizers.Small([]);
        json["model"]!["unk_token"] = "<unk>";
        json["model"]!["byte_fallback"] = true;
        using TemporaryFolder folder = new();
        folder.Write("tokenizer.json", json.ToJsonString());
        Assert.Equal([0xC3, 0xA9, 'a'], Tokenizer.Load(folder.Path).Ids("éa", special: false));
    }

    [Fact]
    public void ATokenThatIsNoneIsNamed()
    {
        using TemporaryFolder folder = Folder(template: false, """{"add_bos_token":true,"bos_token":"<begin>"}""");
        UserErrorException e = Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder.Path));
        Assert.Contains("tokenizer_config.json", e.Message, StringComparison.Ordinal);
        Assert.Contains("\"<begin>\" is not a token", e.Message, StringComparison.Ordinal);
    }

    private static TemporaryFolder Folder(bool template, string configuration)
    {
        JsonNode json = Tokenizers.Small([]);
        json["added_tokens"] = JsonNode.Parse($$"""[{"id":{{Bos}},"content":"<s>","special":true},{"id":{{Eos}},"content":"</s>","special":true}]""");
        json["post_processor"] = JsonNode.Parse(template
            ? """
                {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"</s>"}}],
                 "special_tokens":{"<s>":{"ids":[300]},"</s>":{"ids":[301]}}}
                """
            : """{"type":"ByteLevel"}""");
        TemporaryFolder folder = new();
        folder.Write("tokenizer.json", json.ToJsonString());
        folder.Write("tokenizer_config.json", configuration);
        return folder;
    }
}
