using Conclave.Testing;

namespace Conclave.Engine.Tests.Requests;

/// <summary>Which tokens end answers.</summary>
public sealed class EosTokenTests
{
    /// <summary>Kimi K2's tokenizer_config.json names another than its generation_config.json, and its chats end with the latter.</summary>
    [Fact]
    public void WhatAnyFileCallsAnEndIsOne()
    {
        using TemporaryFolder folder = new();
        foreach (string file in (string[])["model.safetensors", "tokenizer.json"])
        {
            File.CreateSymbolicLink(folder.File(file), Path.Combine(Repository.Fable, file));
        }

        folder.Write("config.json", File.ReadAllText(Path.Combine(Repository.Fable, "config.json")).Replace("\"eos_token_id\": 1", "\"eos_token_id\": [7, 1]", StringComparison.Ordinal));
        folder.Write("generation_config.json", """{"eos_token_id": 2}""");
        folder.Write("tokenizer_config.json", """{"eos_token": {"content": "<｜Assistant｜>"}}""");
        using LoadedModel model = LoadedModel.Open(folder.Path, new LoadOptions { Context = 64, Threads = 1 });
        Assert.True(model.Tokenizer.TryGetId("<｜Assistant｜>", out int assistant));
        Assert.Equal([2, 7, 1, assistant], model.EosTokens);
    }

    [Fact]
    public void FableHasOne()
    {
        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions { Context = 64, Threads = 1 });
        Assert.Equal([1], model.EosTokens);
    }
}
