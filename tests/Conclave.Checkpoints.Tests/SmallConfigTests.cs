using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Checkpoints.Tests;

/// <summary>generation_config.json, tokenizer_config.json and template files.</summary>
public sealed class SmallConfigTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void FableRecommendsItsSampling()
    {
        GenerationConfig config = GenerationConfig.Read(Repository.Fable);
        Assert.Equal((true, 0.7, 0.95, null), (config.DoSample, config.Temperature, config.TopP, config.TopK));
        Assert.Equal([1], config.EosTokens);
        TokenizerConfig tokenizer = TokenizerConfig.Read(Repository.Fable);
        Assert.Equal("<｜begin▁of▁sentence｜>", tokenizer.SpecialTokens["bos_token"]);
        Assert.StartsWith("{%- set ns", tokenizer.ChatTemplate);
    }

    [Fact]
    public void AbsentFilesSayNothing()
    {
        Assert.Equivalent(new GenerationConfig(), GenerationConfig.Read(_folder.Path), strict: true);
        Assert.Null(TokenizerConfig.Read(_folder.Path).ChatTemplate);
    }

    [Fact]
    public void TokensAreTextsOrObjects()
    {
        _folder.Write("tokenizer_config.json", """
            {"bos_token": {"__type": "AddedToken", "content": "<s>", "special": true}, "eos_token": "</s>", "pad_token": null,
             "model_max_length": 1000000000000000019884624838656, "added_tokens_decoder": {"0": {"content": "<s>"}}}
            """);
        TokenizerConfig config = TokenizerConfig.Read(_folder.Path);
        Assert.Equal([new("bos_token", "<s>"), new("eos_token", "</s>"), new("tools", null), new("documents", null)], config.TemplateVariables);
        _folder.Write("generation_config.json", """{"eos_token_id": [3, 4], "top_k": -1, "min_p": 0.1, "repetition_penalty": 1.1}""");
        GenerationConfig generation = GenerationConfig.Read(_folder.Path);
        Assert.Equal([3, 4], generation.EosTokens);
        Assert.Equal((0, 0.1, 1.1), (generation.TopK, generation.MinP, generation.RepetitionPenalty));
    }

    [Fact]
    public void TemplateFilesTakePrecedence()
    {
        _folder.Write("tokenizer_config.json", """{"chat_template": [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]}""");
        Assert.Equal(("a", "b"), (TokenizerConfig.Read(_folder.Path).ChatTemplate, TokenizerConfig.Read(_folder.Path).ChatTemplates["tool_use"]));
        _folder.Write("chat_template.jinja", "file\n");
        Directory.CreateDirectory(_folder.File("additional_chat_templates"));
        _folder.Write("additional_chat_templates/rag.jinja", "named");
        TokenizerConfig config = TokenizerConfig.Read(_folder.Path);
        Assert.Equal("file\n", config.ChatTemplate);
        Assert.Equal("b", config.ToolTemplate);
        Assert.EndsWith("tokenizer_config.json: chat_template", config.ToolTemplatePlace);
        Assert.Equal("named", config.ChatTemplates["rag"]);
    }

    [Theory]
    [InlineData("generation_config.json", "{\"temperature\": -1}", "$.temperature: -1")]
    [InlineData("generation_config.json", "{\"temperature\": 100.5}", "$.temperature: 100.5")]
    [InlineData("generation_config.json", "{\"repetition_penalty\": 0.009}", "$.repetition_penalty: 0.009")]
    [InlineData("generation_config.json", "{\"repetition_penalty\": 101}", "$.repetition_penalty: 101")]
    [InlineData("generation_config.json", "{\"top_p\": 1.5}", "$.top_p: 1.5")]
    [InlineData("generation_config.json", "{\"do_sample\": 1}", "$.do_sample: 1")]
    [InlineData("generation_config.json", "{\"eos_token_id\": \"</s>\"}", "$.eos_token_id: \"</s>\"")]
    [InlineData("generation_config.json", "{\"eos_token_id\": [%]}", "$.eos_token_id: 1025 token ids; at most 1024 are expected")]
    [InlineData("tokenizer_config.json", "{\"bos_token\": {\"text\": \"x\"}}", "$.bos_token: \"content\" is missing")]
    [InlineData("tokenizer_config.json", "{\"chat_template\": [{\"name\": \"a\"}]}", "$.chat_template[0]: \"template\" is missing")]
    [InlineData("tokenizer_config.json", "{\"chat_template\": 5}", "$.chat_template: 5")]
    [InlineData("tokenizer_config.json", "{\"chat_template\": [{\"name\": \"a\", \"template\": \"\"}, {\"name\": \"a\", \"template\": \"\"}]}", "twice")]
    public void WrongValuesAreNamedWithTheirPlace(string file, string text, string problem)
    {
        _folder.Write(file, text.Replace("%", string.Join(',', new int[1025]), StringComparison.Ordinal));
        string message = Assert.Throws<UserErrorException>(() =>
        {
            GenerationConfig.Read(_folder.Path);
            TokenizerConfig.Read(_folder.Path);
        }).Message;
        Assert.StartsWith(_folder.File(file), message);
        Assert.Contains(problem, message);
    }

    [Fact]
    public void ATemplateThatIsNotUtf8IsRefused()
    {
        string file = _folder.Write("chat_template.jinja", [0x41, 0xC3, 0x28]);
        string message = Assert.Throws<UserErrorException>(() => TokenizerConfig.Read(_folder.Path)).Message;
        Assert.StartsWith(file, message);
        Assert.Contains("not valid UTF-8", message);
    }
}
