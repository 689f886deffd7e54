using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Testing;
using Conclave.Text.Patterns;

namespace Conclave.Text.Tests.Tokenization;

/// <summary>Wrong files end with one sentence that says where and what.</summary>
public sealed class HostileFileTests
{
    public static TheoryData<string, string, string> WrongMembers => new()
    {
        { "model.merges", """["a b"]""", "\"ab\"" },
        { "model.merges", """["a"]""", "merge 0" },
        { "model.merges", """[["a","b","c"]]""", "merge 0" },
        { "model.merges", """[7]""", "merge 0" },
        { "model.merges", """["\ud800 a"]""", "surrogate" },
        { "model.merges", """{}""", "$.model.merges" },
        { "model.vocab", """{"a":0,"b":0}""", "id 0" },
        { "model.vocab", """{"a":-1}""", "-1" },
        { "model.vocab", """{"a":99999999}""", "99999999" },
        { "model.vocab", """{"a":"x"}""", "\"x\"" },
        { "model.vocab", """{"a":1.5}""", "1.5" },
        { "model.vocab", """{"\udfff":1}""", "unpaired surrogate" },
        { "model.vocab", """[]""", "$.model.vocab" },
        { "model.vocab", """{"a":0,"\u0061":1}""", "\"a\" is there twice" },
        { "model.vocab", """{},"vocab":{"a":0}""", "vocab" },
        { "model.vocab", $$"""{"a":{{new string('[', 300)}}{{new string(']', 300)}}}""", "not valid JSON" },
        { "model.merges", """[["a",["b"]]]""", """merge 0: ["a",["b"]]""" },
        { "model.type", "\"Unigram\"", "Unigram" },
        { "model.vocab", """{"a":0},"byte_fallback":true""", "$.model.byte_fallback" },
        { "model.dropout", "0.5", "$.model.dropout" },
        { "model.vocab", """{"a":0},"unk_token":"<nowhere>" """, "<nowhere>" },
        { "model.end_of_word_suffix", "\"</w>\"", "</w>" },
        { "normalizer", """{"type":"Precompiled"}""", "$.normalizer: type \"Precompiled\"" },
        { "normalizer", """{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Nmt"}]}""", "$.normalizer.normalizers[1]: type \"Nmt\"" },
        { "pre_tokenizer", """{"type":"Metaspace"}""", "Metaspace" },
        { "pre_tokenizer", """{"type":"Digits"}""", "ByteLevel" },
        { "pre_tokenizer", "null", "ByteLevel" },
        { "pre_tokenizer", """{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated","invert":false}""", "\"(a\"" },
        { "pre_tokenizer", """{"type":"Split","pattern":{"Regex":"a"},"behavior":"Sideways","invert":false}""", "Sideways" },
        { "pre_tokenizer", """{"type":"Split","pattern":{},"behavior":"Isolated","invert":false}""", "String" },
        { "decoder", """{"type":"WordPiece"}""", "WordPiece" },
        { "post_processor", """{"type":"BertProcessing"}""", "BertProcessing" },
        { "post_processor", """{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B"}}],"special_tokens":{}}""", "sequence A" },
        { "post_processor", """{"type":"TemplateProcessing","single":[],"special_tokens":{}}""", "sequence A" },
        { "post_processor", """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],"special_tokens":{}}""", "\"x\"" },
        {
            "post_processor",
            """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}},{"Sequence":{"id":"A"}}],"special_tokens":{"x":{"ids":[256]}}}""",
            "256"
        },
        { "added_tokens", """[{"id":-4,"content":"x"}]""", "-4" },
        { "added_tokens", """[{"id":3,"content":"new"}]""", "id 3" },
        { "added_tokens", """[{"id":300,"content":"a"}]""", "id 300" },
        { "added_tokens", """[{"id":300,"content":"x1"},{"id":300,"content":"x2"}]""", "id 300" },
        { "added_tokens", """[{"id":300,"content":"\ud800"}]""", "surrogate" },
        { "added_tokens", """[{"content":"x"}]""", "\"id\"" },
    };

    [Theory]
    [MemberData(nameof(WrongMembers))]
    public void WrongMembersAreNamed(string path, string value, string expected)
    {
        JsonNode json = Tokenizers.Small([]);
        string marker = "\"@@\"";
        JsonNode parent = path.StartsWith("model.", StringComparison.Ordinal) ? json["model"]! : json;
        parent[path.Split('.')[^1]] = "@@";
        using TemporaryFolder folder = new();

        // As text: lone surrogates have no JsonNode.
        folder.Write("tokenizer.json", json.ToJsonString().Replace(marker, value, StringComparison.Ordinal));
        UserErrorException e = Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder.Path));
        Assert.Contains("tokenizer.json: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"x":{"content":"<new>"}}""", "the id \"x\"")]
    [InlineData("""{"3":{"content":"<new>"}}""", "id 3 of \"<new>\" is at odds")]
    [InlineData("""{"300":{"content":"a"}}""", "id 300 of \"a\" is at odds")]
    [InlineData("""{"256":{"content":"<new>"}}""", "id 256 of \"<new>\" is that of another token")]
    [InlineData("""{"300":{"special":true}}""", "\"content\" is missing")]
    public void WrongDeclarationsAreNamed(string declared, string expected)
    {
        JsonNode json = Tokenizers.Small([]);
        json["added_tokens"] = JsonNode.Parse("""[{"id":256,"content":"<old>"}]""");
        using TemporaryFolder folder = new();
        folder.Write("tokenizer.json", json.ToJsonString());
        folder.Write("tokenizer_config.json", $$"""{"added_tokens_decoder":{{declared}}}""");
        UserErrorException e = Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder.Path));
        Assert.Contains("tokenizer_config.json: $.added_tokens_decoder", e.Message, StringComparison.Ordinal);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("AA==\n", "line 1")]
    [InlineData("AA== 0\nAQ=", "line 2")]
    [InlineData("AA== 0\nA 1", "line 2")]
    [InlineData("AA== 0\nAQ== -1", "line 2")]
    [InlineData("AA== 0\nAQ== 0", "line 2")]
    [InlineData("AA== 0\nAA== 1", "line 2")]
    [InlineData("AA== 99999999999", "line 1")]
    [InlineData("AA== 5", "rank 5")]
    [InlineData("AA== 0", "0x01")]
    [InlineData("", "0x00")]
    public void WrongRanksAreNamed(string text, string expected)
    {
        using TemporaryFolder folder = new();
        folder.Write("tiktoken.model", text);
        UserErrorException e = Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder.Path));
        Assert.Contains("tiktoken.model", e.Message, StringComparison.Ordinal);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ADirectoryWithoutTokenizerSaysWhatIsLookedFor()
    {
        using TemporaryFolder folder = new();
        UserErrorException e = Assert.Throws<UserErrorException>(() => Tokenizer.Load(folder.Path));
        Assert.Contains("tokenizer.json", e.Message, StringComparison.Ordinal);
        Assert.Contains("tiktoken.model", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("(")]
    [InlineData(")")]
    [InlineData("[")]
    [InlineData("[]")]
    [InlineData("[b-a]")]
    [InlineData("*")]
    [InlineData("a{5,2}")]
    [InlineData(@"\")]
    [InlineData(@"\p{Klingon}")]
    [InlineData(@"\p{L")]
    [InlineData(@"(a)\1")]
    [InlineData(@"\x{110000}")]
    [InlineData(@"\x{D800}")]
    [InlineData(@"\G")]
    [InlineData(@"\K")]
    [InlineData("(?<=a+)b")]
    [InlineData("(?(1)a|b)")]
    [InlineData("((a{1000}b){1000}c){1000}")]
    [InlineData("[[:klingon:]]")]
    public void PatternsThatCannotBeTranslatedSaySo(string pattern)
    {
        UserErrorException e = Assert.Throws<UserErrorException>(() => new Pattern(pattern));
        Assert.Contains(pattern, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("(", ")")]
    [InlineData("[", "]")]
    [InlineData("(?:", "){100000}")]
    [InlineData("", "*")]
    [InlineData("(?=", ")")]
    public void DeepNestingIsRefused(string open, string close)
    {
        string pattern = string.Concat(Enumerable.Repeat(open, 50_000)) + "a" + string.Concat(Enumerable.Repeat(close, 50_000));
        Assert.Throws<UserErrorException>(() => new Pattern(pattern));
    }

    [Fact]
    public void NothingRepeatedOftenIsNothing()
    {
        Assert.Equal("0-1", ReferenceTests.Scan("((){100000}){100000}a?", [.. "a".Select(static c => (int)c)]));
    }

    [Fact]
    public void IdsOutsideTheVocabularyAreNamed()
    {
        foreach (int id in (int[])[-1, 8192, int.MaxValue])
        {
            UserErrorException e = Assert.Throws<UserErrorException>(() => Tokenizers.Fable.Decode([id], skipSpecialTokens: false));
            Assert.Contains($"{id}", e.Message, StringComparison.Ordinal);
            Assert.Contains("8192", e.Message, StringComparison.Ordinal);
            Assert.Throws<UserErrorException>(() => Tokenizers.Fable.TokenText(id));
            Assert.Throws<UserErrorException>(() => Tokenizers.Fable.IsSpecial(id));
        }
    }

    [Fact]
    public void GapsInTheVocabularyDecodeToNothing()
    {
        JsonObject json = Tokenizers.Small([]);
        json["model"]!["vocab"]!["zz"] = 1000;
        Tokenizer tokenizer = Tokenizers.Load(json);
        Assert.Equal(1001, tokenizer.VocabularySize);
        Assert.Equal("azz", tokenizer.Decode(['a', 500, 1000], skipSpecialTokens: false));
        Assert.Equal(string.Empty, tokenizer.TokenText(500));
    }

    [Fact]
    public void LoneSurrogatesAreReplaced() =>
        Assert.Equal("a\uFFFDb\uFFFD\uFFFD", Tokenizers.Fable.Decode(Tokenizers.Fable.Ids("a\uD800b\uDC00\uD83D"), skipSpecialTokens: false));

    [Fact]
    public void TokensAreFoundByTheirText()
    {
        Assert.True(Tokenizers.Fable.TryGetId("Ġt", out int id));
        Assert.Equal("Ġt", Tokenizers.Fable.TokenText(id));
        Assert.Equal(" t"u8.ToArray(), Tokenizers.Fable.TokenBytes(id).ToArray());
        Assert.False(Tokenizers.Fable.IsSpecial(id));
        Assert.True(Tokenizers.Fable.TryGetId("<｜User｜>", out id));
        Assert.True(Tokenizers.Fable.IsSpecial(id));
        Assert.Equal("<｜User｜>"u8.ToArray(), Tokenizers.Fable.TokenBytes(id).ToArray());
        Assert.False(Tokenizers.Fable.TryGetId("no such token", out _));
    }

    [Theory]
    [InlineData("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":true,"use_regex":false}""", "pretokenizers")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"String":"a"},"content":"aa"}""", "normalizers")]
    public void StepsThatMultiplyTheTextAreStopped(string member, string step, string list)
    {
        JsonObject json = Tokenizers.Small([]);
        JsonArray steps = [.. Enumerable.Repeat(step, 64).Select(text => JsonNode.Parse(text))];
        json[member] = new JsonObject { ["type"] = "Sequence", [list] = steps };
        Tokenizer tokenizer = Tokenizers.Load(json);
        UserErrorException e = Assert.Throws<UserErrorException>(() => tokenizer.Ids("aé中"));
        Assert.Contains("of a text of 3", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SpecialTokensStayTextOnRequest()
    {
        int[] ids = Tokenizers.Fable.Ids("<｜User｜>", recognizeSpecial: false);
        Assert.True(ids.Length > 1);
        Assert.Equal("<｜User｜>", Tokenizers.Fable.Decode(ids, skipSpecialTokens: true));
        Assert.Equal(ids.Length + 1, Tokenizers.Fable.Ids("<｜User｜>", special: true, recognizeSpecial: false).Length);
        Assert.Single(Tokenizers.Kimi.Ids("<|tool_call_begin|>"));
        Assert.True(Tokenizers.Kimi.Ids("<|tool_call_begin|>", recognizeSpecial: false).Length > 1);
    }

    // Moonshot's code cuts runs of more than 25,000; "\n" * 25,001 would be one piece otherwise.
    [Fact]
    public void LongRunsAreCutAsMoonshotDoes()
    {
        int one = Tokenizers.Kimi.Ids(new string('\n', 25_000)).Length;
        Assert.Equal((one * 2) + 1, Tokenizers.Kimi.Ids(new string('\n', 50_001)).Length);
    }
}
