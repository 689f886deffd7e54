using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Primitives;

namespace Conclave.Text.Chat;

/// <summary>Finds out how a model writes tool calls, and how its template takes messages, by having the template write some.</summary>
internal static class TemplateProbe
{
    private const string Name = "probe_name";
    private const string Key = "probe_key";
    private const string Value = "probe_value";

    public static ToolCallFormat? Recognize(string? source, Func<string, bool> hasToken)
    {
        string written = source is null ? string.Empty : Written(source);

        // Where the template cannot be had to write a call, its source has the markers all the same.
        string text = written.Length > 0 ? written : source ?? string.Empty;
        bool Has(string marker) => text.Contains(marker, StringComparison.Ordinal);
        ToolCallFormat? format = Has(KimiFormat.ArgumentBegin) ? ToolCallFormat.KimiK2
            : Has(GlmFormat.KeyBegin) ? Glm(written)
            : Has(DeepSeekFormat.Separator) ? DeepSeek(written, text)
            : null;
        return format
            ?? (hasToken(KimiFormat.ArgumentBegin) ? ToolCallFormat.KimiK2
                : hasToken(GlmFormat.KeyBegin) ? ToolCallFormat.Glm
                : hasToken(DeepSeekFormat.Separator) ? ToolCallFormat.DeepSeekR1
                : null);
    }

    private static ToolCallFormat Glm(string written) =>
        written.Contains(Name + GlmFormat.KeyBegin, StringComparison.Ordinal) ? new GlmFormat(string.Empty) : ToolCallFormat.Glm;

    private static ToolCallFormat DeepSeek(string written, string text)
    {
        int at = written.IndexOf(DeepSeekFormat.Separator + Name, StringComparison.Ordinal);
        if (at < 0)
        {
            bool function = text.Contains("function" + DeepSeekFormat.Separator, StringComparison.Ordinal) || text.Contains("```json", StringComparison.Ordinal);
            return written.Contains(Name + DeepSeekFormat.Separator, StringComparison.Ordinal) || !function ? ToolCallFormat.DeepSeekV31 : ToolCallFormat.DeepSeekR1;
        }

        // The arguments are an object, possibly inside a string: what stands before its brace is the template's.
        string before = written[(at + DeepSeekFormat.Separator.Length + Name.Length)..];
        int brace = before.IndexOf('{');
        before = brace < 0 ? string.Empty : before[..brace].TrimEnd('"');
        return before.Contains("```", StringComparison.Ordinal) || before.Trim().Length > 0
            ? ToolCallFormat.DeepSeekR1
            : new DeepSeekFormat("function", before.Length > 0 ? before : "\n", string.Empty);
    }

    // Some templates want arguments as an object, others as text; some need a content.
    private static string Written(string source)
    {
        ChatTemplate template;
        try
        {
            template = ChatTemplate.Parse(source, "chat template");
        }
        catch (TemplateException)
        {
            return string.Empty;
        }

        foreach (bool structured in (bool[])[true, false])
        {
            foreach (string? content in (string?[])[null, string.Empty])
            {
                string? text = Render(template, Calling(structured, content));
                int call = text?.LastIndexOf(Name, StringComparison.Ordinal) ?? -1;

                // Only the call itself: instructions before it may show other forms.
                if (call >= 0 && text!.IndexOf(Value, call, StringComparison.Ordinal) > call)
                {
                    return text[Math.Max(0, call - 200)..];
                }
            }
        }

        return string.Empty;
    }

    /// <summary>See <see cref="TemplateForm"/>.</summary>
    public static bool TakesMissingContent(ChatTemplate template) => Array.Exists((bool[])[true, false], structured =>
        Render(template, Calling(structured, null)) is { } text && text.Contains(Value, StringComparison.Ordinal)
        && Nones(text) == Nones(Render(template, Calling(structured, string.Empty)) ?? string.Empty));

    /// <summary>See <see cref="TemplateForm"/>.</summary>
    public static bool JoinsParts(ChatTemplate template)
    {
        JsonArray parts = new(new JsonObject { ["type"] = "text", ["text"] = Name }, new JsonObject { ["type"] = "text", ["text"] = Value });
        return Render(template, new JsonArray(new JsonObject { ["role"] = "user", ["content"] = parts }))?.Contains(Name + Value, StringComparison.Ordinal) ?? false;
    }

    /// <summary>See <see cref="TemplateForm"/>.</summary>
    public static bool IgnoresTools(ChatTemplate template)
    {
        JsonObject function = new() { ["name"] = Name, ["description"] = Key, ["parameters"] = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject() } };
        JsonArray tools = new(new JsonObject { ["type"] = "function", ["function"] = function });
        JsonArray messages = new(new JsonObject { ["role"] = "system", ["content"] = Key }, new JsonObject { ["role"] = "user", ["content"] = "Hello" });
        return Render(template, messages, tools) is { } text && text == Render(template, (JsonArray)messages.DeepClone());
    }

    private static int Nones(string text) => text.Split("None").Length;

    /// <summary>What the template makes of messages; null where it refuses them.</summary>
    private static string? Render(ChatTemplate template, JsonArray messages, JsonArray? tools = null)
    {
        JsonObject variables = new()
        {
            ["messages"] = messages,
            ["tools"] = tools,
            ["bos_token"] = string.Empty,
            ["eos_token"] = string.Empty,
            ["add_generation_prompt"] = false,
        };
        using JsonDocument document = JsonDocument.Parse(variables.ToJsonString());
        try
        {
            return template.Render(document.RootElement);
        }
        catch (Exception e) when (e is TemplateException or UserErrorException)
        {
            // The next form may be the one that it expects.
            return null;
        }
    }

    private static JsonArray Calling(bool structured, string? content)
    {
        JsonObject arguments = new() { [Key] = Value };
        JsonObject function = new() { ["name"] = Name, ["arguments"] = structured ? arguments : arguments.ToJsonString() };
        JsonObject call = new() { ["type"] = "function", ["id"] = $"functions.{Name}:0", ["function"] = function };
        return new JsonArray(
            new JsonObject { ["role"] = "user", ["content"] = "Hello" },
            new JsonObject { ["role"] = "assistant", ["content"] = content, ["tool_calls"] = new JsonArray(call) });
    }
}
