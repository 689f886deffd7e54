using System.Text;
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
    private const int MaxFileBytes = 64 << 20;
    private const int MaxTemplateBytes = 4 << 20;

    /// <summary>bos_token: its text.</summary>
    public string? BosToken { get; init; }

    /// <summary>eos_token: its text.</summary>
    public string? EosToken { get; init; }

    /// <summary>pad_token: its text.</summary>
    public string? PadToken { get; init; }

    /// <summary>unk_token: its text.</summary>
    public string? UnknownToken { get; init; }

    /// <summary>tokenizer_class.</summary>
    public string? TokenizerClass { get; init; }

    /// <summary>model_max_length; null where absent or as good as infinite.</summary>
    public int? MaxLength { get; init; }

    /// <summary>The Jinja text of each chat template by name; the one without a name is "default".</summary>
    public IReadOnlyDictionary<string, string> ChatTemplates { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The chat template named "default"; null where there is none.</summary>
    public string? ChatTemplate => ChatTemplates.GetValueOrDefault(DefaultTemplate);

    /// <summary>Where <see cref="ChatTemplate"/> stands, for messages: the file, and the member of a JSON file.</summary>
    public string ChatTemplatePlace { get; init; } = "chat template";

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
                BosToken = Token(root, "bos_token"),
                EosToken = Token(root, "eos_token"),
                PadToken = Token(root, "pad_token"),
                UnknownToken = Token(root, "unk_token"),
                TokenizerClass = root.Optional("tokenizer_class")?.String(),
                MaxLength = root.Optional("model_max_length")?.Double(1, double.MaxValue) is { } length and <= int.MaxValue ? (int)length : null,
            };
            ReadTemplates(root.Optional("chat_template"), templates);
        }

        string place = $"{path}: chat_template";
        foreach ((string name, string file) in TemplateFiles(directory))
        {
            templates[name] = ReadText(file);
            place = name == DefaultTemplate ? file : place;
        }

        return config with { ChatTemplatePlace = place };
    }

    private static string? Token(JsonCursor root, string name) =>
        root.Optional(name) is { } token
            ? token.Kind == JsonValueKind.Object ? token.Required("content").String() : token.String()
            : null;

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

    private static string ReadText(string file)
    {
        try
        {
            long length = new FileInfo(file).Length;
            return length <= MaxTemplateBytes
                ? new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(file)).TrimStart('\uFEFF')
                : throw new UserErrorException($"{file}: {length} bytes; a template of at most {MaxTemplateBytes} bytes is expected");
        }
        catch (DecoderFallbackException e)
        {
            throw new UserErrorException($"{file}: not valid UTF-8 at byte {e.Index}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{file}: cannot be read: {e.Message}", e);
        }
    }
}
