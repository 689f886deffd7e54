using System.Text.Json;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

public sealed class TemplateTests
{
    private const string Hello = """{"messages":[{"role":"user","content":"Hi 春😀"}],"add_generation_prompt":true""";

    [Theory]
    [InlineData("r1-like")]
    [InlineData("feature-tour")]
    public void Lines_are_rendered_as_Jinja2_does(string name)
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Repository.Data("chat", $"{name}.json")));
        JsonElement[] cases = [.. golden.RootElement.GetProperty("cases").EnumerateArray()];
        string input = string.Join('\n', cases.Select(example => JsonSerializer.Serialize(example.GetProperty("variables"))));
        CliResult result = Cli.Run(["template", Repository.Data("chat", $"{name}.jinja"), "--json-lines", "-"], input);
        Assert.Equal((0, ""), (result.Code, result.Error));
        Assert.Equal(cases.Length, result.Lines.Length);
        for (int i = 0; i < cases.Length; i++)
        {
            JsonElement actual = JsonDocument.Parse(result.Lines[i]).RootElement;
            bool fails = cases[i].TryGetProperty("error", out JsonElement error) && error.ValueKind == JsonValueKind.String;
            Assert.Equal(
                fails ? error.GetString() : cases[i].GetProperty("expected").GetString(),
                actual.GetProperty(fails ? "error" : "text").GetString());
        }
    }

    [Fact]
    public void A_folder_gives_its_special_tokens_unless_the_line_does()
    {
        CliResult result = Cli.Run(["template", Repository.Fable, "--json-lines", "-"], Hello + "}\n" + Hello + ",\"bos_token\":\"<s>\"}\n");
        Assert.Equal((0, ""), (result.Code, result.Error));
        Assert.Equal("""{"text":"<｜begin▁of▁sentence｜><｜User｜>Hi 春😀<｜Assistant｜>"}""", result.Lines[0]);
        Assert.Equal("""{"text":"<s><｜User｜>Hi 春😀<｜Assistant｜>"}""", result.Lines[1]);
    }

    [Fact]
    public void A_folder_gives_what_the_engine_gives()
    {
        using TemporaryFolder folder = new();
        folder.Write("tokenizer_config.json", """{"sep_token":"<sep>","chat_template":[{"name":"default","template":"{{ tools is none }}{{ sep_token }}"},{"name":"tool_use","template":"{{ tools[0] }}"}]}""");
        CliResult result = Cli.Run(["template", folder.Path, "--json-lines", "-"], "{}\n{\"tools\":[\"f\"]}\n");
        Assert.Equal((0, "", "{\"text\":\"True<sep>\"}|{\"text\":\"f\"}"), (result.Code, result.Error, string.Join('|', result.Lines)));
    }

    [Fact]
    public void A_file_takes_the_place_of_a_folders_template()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("other.jinja", "{{ bos_token }}<{{ messages[0].content }}>");
        CliResult result = Cli.Run(["template", Repository.Fable, "--chat-template", file, "--json-lines", "-"], Hello + "}\n");
        Assert.Equal((0, "", "{\"text\":\"<｜begin▁of▁sentence｜><Hi 春😀>\"}"), (result.Code, result.Error, result.Lines[0]));
        result = Cli.Run("generate", "--chat", "Hi", "--chat-template", folder.Write("short.jinja", "a"), "--max-tokens", "1", "--json");
        Assert.Single(JsonDocument.Parse(result.Output).RootElement.GetProperty("prompt_ids").EnumerateArray());
        Assert.Equal(2, Cli.Run("generate", "Hi", "--chat-template", file).Code);
        Assert.Equal(2, Cli.Run(["template", file, "--chat-template", file, "--json-lines", "-"], Hello + "}\n").Code);
    }

    [Theory]
    [InlineData("template", "DIR", "--json-lines", "-")]
    [InlineData("generate", "--chat", "Hi")]
    [InlineData("chat")]
    [InlineData("serve")]
    public void A_file_that_is_no_template_ends_with_the_place_and_the_mistake(params string[] arguments)
    {
        using TemporaryFolder folder = new();
        string[] command = [.. arguments.Select(argument => argument == "DIR" ? Repository.Fable : argument)];
        string missing = folder.File("none.jinja");
        CliResult result = Cli.Run([.. command, "--chat-template", missing]);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith($"error: {missing}: ", result.Error, StringComparison.Ordinal);
        string broken = folder.Write("broken.jinja", "{{ messages }}\n{% endfor %}\n");
        result = Cli.Run([.. command, "--chat-template", broken]);
        Assert.Equal((2, "", $"error: {broken}: line 2: Encountered unknown tag 'endfor'.\n"), (result.Code, result.Output, result.Error));
        string empty = folder.Write("empty.jinja", " \n");
        result = Cli.Run([.. command, "--chat-template", empty]);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith($"error: {empty}: empty; a chat template (Jinja) is expected", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{% if %}", "{}", "line 1")]
    [InlineData("{{ x }}", "[1]", "standard input, line 1")]
    [InlineData("{{ x }}", "{", "standard input, line 1")]
    public void Mistakes_name_their_place(string template, string line, string place)
    {
        using TemporaryFolder folder = new();
        CliResult result = Cli.Run(["template", folder.Write("a.jinja", template), "--json-lines", "-"], line);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.Contains(place, result.Error);
    }

    [Fact]
    public void A_template_that_never_ends_is_an_error_of_its_line()
    {
        using TemporaryFolder folder = new();
        string template = folder.Write("loop.jinja", "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}");
        CliResult result = Cli.Run(["template", template, "--json-lines", "-"], "{}");
        Assert.Equal((0, ""), (result.Code, result.Error));
        Assert.StartsWith("{\"error\":\"LimitError", result.Output);
    }

    [Theory]
    [InlineData("generate", "--chat", "Hi")]
    [InlineData("chat")]
    public void A_model_whose_template_does_not_parse_ends_with_the_place_and_the_mistake(params string[] arguments)
    {
        using TemporaryFolder folder = new();
        foreach (string file in Directory.GetFiles(Repository.Fable))
        {
            File.Copy(file, folder.File(Path.GetFileName(file)));
        }

        string template = folder.Write("chat_template.jinja", "{{ messages }}\n{% endfor %}\n");
        CliResult result = Cli.Run([.. arguments, "--model", folder.Path]);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.Equal($"error: {template}: line 2: Encountered unknown tag 'endfor'.\n", result.Error);

        File.Delete(template);
        string json = folder.Write("tokenizer_config.json", """{"chat_template": "\n\n{{ 'a }}"}""");
        result = Cli.Run([.. arguments, "--model", folder.Path]);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith($"error: {json}: chat_template: line 3: ", result.Error);
    }
}
