using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Text.Chat;

namespace Conclave.Engine;

/// <summary>
/// Messages as OpenAI's API has them, as a chat template takes them: nothing that is null or an empty list of calls, since templates ask whether a field is there; a content that is one text;
/// arguments of calls as objects or as strings; system for the role that only OpenAI's models know as developer.
/// </summary>
internal static class TemplateMessages
{
    // Templates take values of 500 levels, as Python's would, and what surrounds arguments has some of them.
    private const int ArgumentDepth = 400;

    private static readonly JsonSerializerOptions Written = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A conversation whose calls have their arguments as they came.</summary>
    public static JsonArray Plain(JsonArray messages, TemplateForm form) =>
        new([.. messages.Select(message => message is JsonObject given ? Message(given, form) : message?.DeepClone())]);

    /// <summary>
    /// The forms in which to offer a conversation: most templates want the arguments of calls as objects, those of R1 as the strings that the model wrote. What a model wrote need not be JSON; where
    /// a template cannot do without an object, it gets an empty one.
    /// </summary>
    /// <param name="plain">The conversation, of <see cref="Plain"/>.</param>
    /// <param name="messages">The same as it came, for errors.</param>
    /// <exception cref="UserErrorException">A template cannot do without an object, and arguments are one that cannot be handed over.</exception>
    public static IEnumerable<JsonArray> Forms(JsonArray plain, JsonArray messages)
    {
        JsonArray objects = (JsonArray)plain.DeepClone();
        List<JsonObject> others = [];
        foreach (JsonObject function in objects.OfType<JsonObject>().SelectMany(Functions))
        {
            if (Text(function["arguments"]) is not { } text)
            {
                continue;
            }

            if (ParseArguments(text) is { } arguments)
            {
                function["arguments"] = arguments;
            }
            else
            {
                others.Add(function);
            }
        }

        yield return others.Count == 0 ? objects : (JsonArray)objects.DeepClone();
        JsonArray strings = (JsonArray)plain.DeepClone();
        JsonObject[] functions = [.. strings.OfType<JsonObject>().SelectMany(Functions)];
        foreach (JsonObject function in functions)
        {
            function["arguments"] = Text(function["arguments"]) ?? function["arguments"]!.ToJsonString(Written);
        }

        if (functions.Length > 0)
        {
            yield return strings;
        }

        if (others.Count > 0)
        {
            CheckArguments(messages);
            others.ForEach(function => function["arguments"] = new JsonObject());
            yield return objects;
        }
    }

    /// <summary>Has the system say more, after what it says: templates that know only one system message take the last one.</summary>
    public static void AddToSystem(JsonArray plain, string text)
    {
        if (plain.OfType<JsonObject>().LastOrDefault(message => message["role"]?.ToString() == "system") is { } system)
        {
            system["content"] = $"{system["content"]}\n\n{text}";
        }
        else
        {
            plain.Insert(0, new JsonObject { ["role"] = "system", ["content"] = $"\n\n{text}" });
        }
    }

    /// <summary>The calls of a message.</summary>
    public static IEnumerable<JsonObject> Calls(JsonObject message) => (message["tool_calls"] as JsonArray ?? []).OfType<JsonObject>();

    /// <summary>Tools with the members of all objects in order (tokenization_kimi.py, deep_sort_dict).</summary>
    public static JsonNode? Sorted(JsonNode? node) => node switch
    {
        JsonObject members => new JsonObject(members.OrderBy(member => member.Key, StringComparer.Ordinal).Select(member => KeyValuePair.Create(member.Key, Sorted(member.Value)))),
        JsonArray items => new JsonArray([.. items.Select(Sorted)]),
        _ => node?.DeepClone(),
    };

    private static JsonObject Message(JsonObject given, TemplateForm form)
    {
        JsonObject message = [];
        foreach ((string name, JsonNode? value) in given)
        {
            if (value is not null && !(name == "tool_calls" && value is JsonArray { Count: 0 }))
            {
                message[name] = value.DeepClone();
            }
        }

        if (Text(message["role"]) == "developer")
        {
            message["role"] = "system";
        }

        // Clients of newer servers know reasoning by this name, the templates of these models by the older one.
        if (message["reasoning"] is { } reasoning && !message.ContainsKey("reasoning_content"))
        {
            message["reasoning_content"] = reasoning.DeepClone();
        }

        message["content"] = message["content"] switch
        {
            JsonArray parts => string.Join(form.PartSeparator, parts.OfType<JsonObject>().Select(part => (string?)part["text"])),
            JsonNode text => text.DeepClone(),
            null => "",
        };

        // V3's and R1's first templates write either a content, also an empty one, or calls.
        if (form.TakesMissingContent && message.ContainsKey("tool_calls") && message["content"]!.ToString().Length == 0)
        {
            message["content"] = null;
        }

        foreach (JsonObject function in Functions(message))
        {
            if (function["arguments"] is null || (Text(function["arguments"]) is { } text && string.IsNullOrWhiteSpace(text)))
            {
                function["arguments"] = "{}";
            }
        }

        return message;
    }

    private static IEnumerable<JsonObject> Functions(JsonObject message) => Calls(message).Select(call => call["function"]).OfType<JsonObject>();

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private static JsonObject? ParseArguments(string text)
    {
        try
        {
            JsonObject? arguments = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { MaxDepth = ArgumentDepth }) as JsonObject;

            // Half of a surrogate pair is found only when a string is read.
            _ = arguments?.ToJsonString();
            return arguments;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    // What Python reads as an object was one to whoever sent it: an empty one in its place would be another call.
    private static void CheckArguments(JsonArray messages)
    {
        for (int i = 0; i < messages.Count; i++)
        {
            int number = 0;
            foreach (JsonObject call in messages[i] is JsonObject message ? Calls(message) : [])
            {
                string place = $"messages: messages[{i}].tool_calls[{number++}].function.arguments";
                string? text = Text((call["function"] as JsonObject)?["arguments"]);
                if (text is null || IsObject(text, ArgumentDepth))
                {
                    continue;
                }

                if (IsObject(text, int.MaxValue))
                {
                    throw new UserErrorException($"{place}: nested more than {ArgumentDepth} deep, which is the most that this model's chat template can be given");
                }

                // In strings they do no harm.
                if (IsObject(text.Replace("-Infinity", "0", StringComparison.Ordinal).Replace("Infinity", "0", StringComparison.Ordinal).Replace("NaN", "0", StringComparison.Ordinal), int.MaxValue))
                {
                    throw new UserErrorException($"{place}: NaN or Infinity, which JSON does not have, and this model's chat template needs an object; send null or a string in its place");
                }
            }
        }
    }

    private static bool IsObject(string text, int depth)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = depth });
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
