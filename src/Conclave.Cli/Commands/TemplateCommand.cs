using System.Buffers;
using System.CommandLine;
using System.Text.Json;
using Conclave.Checkpoints;
using Conclave.Cli.Frame;
using Conclave.Primitives;
using Conclave.Text;

namespace Conclave.Cli.Commands;

/// <summary>conclave template: what a chat template makes of a conversation.</summary>
internal static class TemplateCommand
{
    public static Command Create()
    {
        Argument<string> source = new("DIR|FILE.jinja") { Description = "The folder of a checkpoint, or a file that is a template" };
        Option<string?> template = ChatTemplateOption.Create();
        Option<string> lines = new("--json-lines")
        {
            Description = "The template's variables, as a JSON object in each line; \"-\" is standard input. A folder's special tokens "
                + "(bos_token, eos_token …), and tools and documents as None, are added where a line has none",
            HelpName = "FILE",
            Required = true,
        };
        CliCommand command = new(
            "template", "Renders a chat template: {\"text\":\"…\"} or {\"error\":\"…\"} for each line of variables.",
            ("conclave template chat_template.jinja --json-lines conversations.jsonl", "a template on the variables of each line"),
            ("echo '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"add_generation_prompt\":true}' | conclave template models/fable --json-lines -",
                "the prompt that the bundled model would get"))
        {
            source, template, lines,
        };
        command.SetAction((result, cancellation) =>
        {
            (ChatTemplate plain, ChatTemplate withTools, KeyValuePair<string, string?>[] given) = Load(result.GetRequiredValue(source), result.GetValue(template));
            string file = result.GetRequiredValue(lines);
            TextWriter output = result.InvocationConfiguration.Output;
            foreach (JsonCursor line in JsonLines.Read(file, cancellation))
            {
                JsonElement variables = Variables(line, given);
                (string key, string value) = Render(line.Optional("tools") is null ? plain : withTools, variables);
                JsonOutput.WriteLine(output, json =>
                {
                    json.WriteStartObject();
                    json.WriteString(key, value);
                    json.WriteEndObject();
                });
                JsonLines.FlushAnswer(output, file);
            }

            return Task.CompletedTask;
        });
        return command;
    }

    private static (ChatTemplate Plain, ChatTemplate WithTools, KeyValuePair<string, string?>[] Given) Load(string source, string? instead)
    {
        if (File.Exists(source))
        {
            if (instead is not null)
            {
                throw new UserErrorException($"--chat-template {instead}: {source} is a template already; it takes the place of that of a folder");
            }

            ChatTemplate template = Parse(TokenizerConfig.ReadTemplate(source), source);
            return (template, template, []);
        }

        if (!Directory.Exists(source))
        {
            throw new UserErrorException($"{source}: there is no such file or folder; a chat template or the folder of a checkpoint is expected");
        }

        string directory = source;
        TokenizerConfig config = TokenizerConfig.Read(directory);
        config = instead is null ? config : config.WithTemplate(instead);
        string text = config.ChatTemplate ?? throw new UserErrorException(
            $"{directory}: no chat template; chat_template.jinja, or chat_template in tokenizer_config.json, is expected");
        ChatTemplate plain = Parse(text, config.ChatTemplatePlace);
        return (plain, config.ToolTemplate is { } other ? Parse(other, config.ToolTemplatePlace) : plain, [.. config.TemplateVariables]);
    }

    private static ChatTemplate Parse(string text, string name)
    {
        try
        {
            return ChatTemplate.Parse(text, name);
        }
        catch (TemplateException e)
        {
            throw new UserErrorException(e.Detail, e);
        }
    }

    private static (string Key, string Value) Render(ChatTemplate template, JsonElement variables)
    {
        try
        {
            return ("text", template.Render(variables));
        }
        catch (TemplateException e)
        {
            return ("error", e.Message);
        }
    }

    private static JsonElement Variables(JsonCursor line, KeyValuePair<string, string?>[] given)
    {
        if (line.Kind != JsonValueKind.Object)
        {
            throw line.Error($"{line.Describe()}; an object with the template's variables is expected");
        }

        if (given.All(variable => line.Has(variable.Key)))
        {
            return line.Element;
        }

        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            foreach ((string name, JsonCursor value) in line.Members())
            {
                json.WritePropertyName(name);
                value.Element.WriteTo(json);
            }

            foreach ((string name, string? value) in given.Where(variable => !line.Has(variable.Key)))
            {
                json.WriteString(name, value);
            }

            json.WriteEndObject();
        }

        return JsonDocument.Parse(buffer.WrittenMemory, new JsonDocumentOptions { MaxDepth = 256 }).RootElement;
    }
}
