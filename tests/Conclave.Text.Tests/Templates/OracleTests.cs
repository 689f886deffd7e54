using System.Text.Json;
using Conclave.Testing;

namespace Conclave.Text.Tests.Templates;

public sealed class OracleTests
{
    [Theory]
    [InlineData("feature-tour.json", 34)]
    [InlineData("r1-like.json", 34)]
    public void RendersTheGoldenConversations(string file, int least)
    {
        JsonElement golden = TemplateFiles.Read(file);
        string template = golden.GetProperty("template").GetString()!;
        Assert.Equal(template, File.ReadAllText(Repository.Data("chat", Path.ChangeExtension(file, ".jinja"))));
        List<JsonElement> cases = [.. golden.GetProperty("cases").EnumerateArray()];
        Assert.True(cases.Count >= least, $"{cases.Count} cases");
        Assert.All(cases, item => Assert.Equal(
            TemplateFiles.Expected(item), TemplateFiles.Render(template, item.GetProperty("variables"))));
    }

    [Fact]
    public void AgreesWithJinja2OnEveryCase()
    {
        JsonElement oracle = TemplateFiles.Read("jinja2.json");
        JsonElement variables = oracle.GetProperty("variables");
        List<JsonElement> cases = [.. oracle.GetProperty("cases").EnumerateArray()];
        Assert.True(cases.Count > 1000);
        Assert.All(cases, item =>
        {
            string template = item.GetProperty("template").GetString()!;
            Assert.Equal($"{template}\n{TemplateFiles.Expected(item)}", $"{template}\n{TemplateFiles.Render(template, variables)}");
        });
    }

    [Fact]
    public void AgreesWithJinja2OnTemplatesOfModelFamilies()
    {
        JsonElement oracle = TemplateFiles.Read("jinja2.json");
        List<JsonElement> conversations = [.. oracle.GetProperty("conversations").EnumerateArray()];
        Assert.True(conversations.Count > 90);
        Assert.All(conversations, item => Assert.Equal(
            TemplateFiles.Expected(item), TemplateFiles.Render(Family(oracle, item), item.GetProperty("variables"))));
    }

    [Fact]
    public void AgreesWithTheSecondOracleWhereItAgreesWithTheFirst()
    {
        JsonElement first = TemplateFiles.Read("jinja2.json");
        JsonElement second = TemplateFiles.Read("huggingface-jinja.json");
        JsonElement cases = first.GetProperty("cases");
        JsonElement conversations = first.GetProperty("conversations");
        int compared = Compare(second.GetProperty("cases"), index => TemplateFiles.Render(
            cases[index].GetProperty("template").GetString()!, first.GetProperty("variables")));
        compared += Compare(second.GetProperty("conversations"), index => TemplateFiles.Render(
            Family(first, conversations[index]), conversations[index].GetProperty("variables")));
        Assert.True(compared > 500, $"{compared} compared");
    }

    [Fact]
    public void RendersTheTemplateOfTheBundledModel()
    {
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Fable, "tokenizer_config.json")));
        string template = config.RootElement.GetProperty("chat_template").GetString()!;
        using JsonDocument variables = JsonDocument.Parse(
            """
            {"bos_token": "<b>", "add_generation_prompt": true,
             "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "u"},
                          {"role": "assistant", "content": "<think>t</think>\n\na"}, {"role": "user", "content": "v"}]}
            """);
        Assert.Equal(
            "text: <b>S<｜User｜>u<｜Assistant｜>a<｜end▁of▁sentence｜><｜User｜>v<｜Assistant｜>",
            TemplateFiles.Render(template, variables.RootElement));
    }

    private static string Family(JsonElement oracle, JsonElement item) =>
        oracle.GetProperty("families").GetProperty(item.GetProperty("name").GetString()!).GetString()!;

    private static int Compare(JsonElement part, Func<int, string> render)
    {
        int compared = 0;
        foreach (JsonElement item in part.GetProperty("agrees").EnumerateArray())
        {
            string rendered = render(item.GetProperty("index").GetInt32());
            if (item.TryGetProperty("text", out JsonElement text))
            {
                Assert.Equal("text: " + text.GetString(), rendered);
            }
            else
            {
                Assert.StartsWith("error: ", rendered, StringComparison.Ordinal);
            }

            compared++;
        }

        return compared;
    }
}
