using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>
/// Special tokens and chat templates, from <c>tokenizer_config.json</c> and the template files beside it, which take precedence
/// (<c>chat_template.jinja</c>, and <c>additional_chat_templates/NAME.jinja</c> or <c>chat_templates/NAME.jinja</c> for named ones).
/// Everything may be absent, the files too.
/// </summary>
public sealed record TokenizerConfig
{
    private const string DefaultTemplate = "default";
    private const string ToolTemplateName = "tool_use";
    private static readonly string[] SpecialNames = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
    private const int MaxFileBytes = 64 << 20;
    private const int MaxTemplateBytes = 4 << 20;

    /// <summary>Texts of the special tokens that the file has, by their names: bos_token, eos_token, unk_token, sep_token, pad_token, cls_token, mask_token.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The Jinja text of each chat template by name; the one without a name is "default".</summary>
    public IReadOnlyDictionary<string, string> ChatTemplates { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The chat template named "default"; null where there is none.</summary>
    public string? ChatTemplate => ChatTemplates.GetValueOrDefault(DefaultTemplate);

    /// <summary>The chat template named "tool_use", for conversations with tools; null where <see cref="ChatTemplate"/> is for those too.</summary>
    public string? ToolTemplate => ChatTemplates.GetValueOrDefault(ToolTemplateName);

    /// <summary>Where <see cref="ChatTemplate"/> stands, for messages: the file, and the member of a JSON file.</summary>
    public string ChatTemplatePlace { get; init; } = "chat template";

    /// <summary>Where <see cref="ToolTemplate"/> stands.</summary>
    public string ToolTemplatePlace { get; init; } = "chat template";

    /// <summary>
    /// What transformers gives every template beside what its caller gives: the special tokens, and tools and documents, which are None where there are none and never undefined.
    /// </summary>
    public IEnumerable<KeyValuePair<string, string?>> TemplateVariables =>
        [.. SpecialTokens.Select(token => KeyValuePair.Create<string, string?>(token.Key, token.Value)), new("tools", null), new("documents", null)];

    /// <summary>Reads the tokenizer configuration of a checkpoint.</summary>
    /// <exception cref="UserErrorException">A file is malformed or not UTF-8.</exception>
    public static TokenizerConfig Read(string directory)
    {
        Dictionary<string, string> templates = new(StringComparer.Ordinal);
        TokenizerConfig config = new() { ChatTemplates = templates };
        string path = Path.Combine(directory, "tokenizer_config.json");
        if (File.Exists(path))
        {
            JsonCursor root = JsonCursor.ReadFile(path, MaxFileBytes);
            config = config with
            {
                SpecialTokens = SpecialNames.Where(name => root.Optional(name) is not null).ToDictionary(name => name, name => Token(root.Required(name)), StringComparer.Ordinal),
            };
            ReadTemplates(root.Optional("chat_template"), templates);
        }

        string place = $"{path}: chat_template";
        string toolPlace = place;
        foreach ((string name, string file) in TemplateFiles(directory))
        {
            templates[name] = ReadTemplate(file);
            place = name == DefaultTemplate ? file : place;
            toolPlace = name == ToolTemplateName ? file : toolPlace;
        }

        return config with { ChatTemplatePlace = place, ToolTemplatePlace = toolPlace };
    }

    /// <summary>The same with the template of a file in place of all of the model's.</summary>
    /// <exception cref="UserErrorException">The file is missing, too large, not UTF-8, or holds nothing but white space.</exception>
    public TokenizerConfig WithTemplate(string file)
    {
        string template = ReadTemplate(file);
        return !string.IsNullOrWhiteSpace(template)
            ? this with
            {
                ChatTemplates = new Dictionary<string, string>(StringComparer.Ordinal) { [DefaultTemplate] = template },
                ChatTemplatePlace = file,
            }
            : throw new UserErrorException($"{file}: empty; a chat template (Jinja) is expected, with which conversations become prompts");
    }

    /// <summary>The text of a file that is a template.</summary>
    /// <exception cref="UserErrorException">The file is missing, too large or not UTF-8.</exception>
    public static string ReadTemplate(string file) => TextFile.Read(file, MaxTemplateBytes);

    private static string Token(JsonCursor token) => token.Kind == JsonValueKind.Object ? token.Required("content").String() : token.String();

    private static void ReadTemplates(JsonCursor? value, Dictionary<string, string> templates)
    {
        if (value is not { } given)
        {
            return;
        }

        if (given.Kind != JsonValueKind.Array)
        {
            templates[DefaultTemplate] = given.String();
            return;
        }

        foreach (JsonCursor item in given.Items())
        {
            JsonCursor name = item.Required("name");
            if (!templates.TryAdd(name.String(), item.Required("template").String()))
            {
                throw name.Error($"{name.Describe()} is there twice");
            }
        }
    }

    private static IEnumerable<(string Name, string File)> TemplateFiles(string directory)
    {
        string file = Path.Combine(directory, "chat_template.jinja");
        if (File.Exists(file))
        {
            yield return (DefaultTemplate, file);
        }

        foreach (string folder in (string[])["chat_templates", "additional_chat_templates"])
        {
            string path = Path.Combine(directory, folder);
            if (!Directory.Exists(path))
            {
                continue;
            }

            foreach (string named in Directory.EnumerateFiles(path, "*.jinja").Order(StringComparer.Ordinal))
            {
                yield return (Path.GetFileNameWithoutExtension(named), named);
            }
        }
    }
}
