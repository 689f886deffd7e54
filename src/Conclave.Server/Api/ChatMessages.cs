using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>A conversation as clients send it, checked. Everything else in a message is left to the template.</summary>
internal static class ChatMessages
{
    public static JsonArray Read(JsonBody body)
    {
        List<JsonObject> messages = body.List("messages", RequestLimits.Messages, Message)
            ?? throw ApiException.Invalid("messages: a list of messages is expected", "messages");
        return messages.Count > 0 ? new JsonArray([.. messages]) : throw ApiException.Invalid("messages: at least one message is expected", "messages");
    }

    private static JsonObject Message(JsonElement element, string path)
    {
        JsonBody message = JsonBody.Of(element, path);
        if (message.String("role") is null)
        {
            throw ApiException.Invalid($"{path}.role: a role is expected, such as user", "messages");
        }

        JsonObject result = JsonObject.Create(element)!;
        result["content"] = Content(message, path);
        if (message.Element("tool_calls") is not null)
        {
            message.List("tool_calls", RequestLimits.Tools, ToolCall);
        }

        return result;
    }

    private static JsonNode? Content(JsonBody message, string path) => message.Element("content") switch
    {
        { ValueKind: JsonValueKind.Array } => new JsonArray([.. message.List("content", RequestLimits.ContentParts, Part)!]),
        _ => message.String("content"),
    };

    // A refusal is what an assistant said, and the two others are what the newer API calls texts; as in vLLM a text may also stand for itself, or without its type.
    private static JsonObject Part(JsonElement element, string path)
    {
        if (element.ValueKind == JsonValueKind.String)
        {
            return TextPart(JsonBody.Text(element, path));
        }

        JsonBody part = JsonBody.Of(element, path);
        string? type = part.String("type");
        string? text = type switch
        {
            null or "text" or "input_text" or "output_text" => part.String("text"),
            "refusal" => part.String("refusal"),
            _ => null,
        };
        return text is not null
            ? TextPart(text)
            : throw ApiException.Invalid($"{path}: a part of type text with a text is expected, not one of type '{type}'; images and audio are not supported", "messages");
    }

    private static JsonObject TextPart(string text) => new() { ["type"] = "text", ["text"] = text };

    private static string ToolCall(JsonElement element, string path)
    {
        JsonBody? function = JsonBody.Of(element, path).Object("function");
        return function?.String("name") is { } name && function.Value.Element("arguments") is null or { ValueKind: JsonValueKind.String or JsonValueKind.Object }
            ? name
            : throw ApiException.Invalid($"{path}.function: a name and arguments are expected", "messages");
    }
}
