using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Primitives;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI;

/// <summary>Conversations as OpenAI's API has them, which is what chat templates expect.</summary>
internal static class MessageReader
{
    /// <exception cref="UserErrorException">There is no message, or one has a content that a model of text cannot read.</exception>
    public static JsonArray Read(IEnumerable<ChatMessage> messages, string? instructions)
    {
        List<JsonObject> result = [];
        if (instructions is not null)
        {
            result.Add(new JsonObject { ["role"] = "system", ["content"] = instructions });
        }

        foreach (ChatMessage message in messages)
        {
            Add(message, result);
        }

        return result.Count > 0 ? new JsonArray([.. result]) : throw new UserErrorException("messages: at least one message is expected");
    }

    private static void Add(ChatMessage message, List<JsonObject> result)
    {
        string reasoning = "";
        List<JsonObject> calls = [];
        bool hasResults = false;
        foreach (AIContent content in message.Contents)
        {
            switch (content)
            {
                case TextContent or UsageContent:
                    break;
                case TextReasoningContent thought:
                    reasoning += thought.Text;
                    break;
                case FunctionCallContent call:
                    calls.Add(Call(call));
                    break;
                case FunctionResultContent outcome:
                    result.Add(new JsonObject { ["role"] = "tool", ["tool_call_id"] = outcome.CallId, ["content"] = Text(outcome) });
                    hasResults = true;
                    break;
                default:
                    throw new UserErrorException(
                        $"messages: a {content.GetType().Name} in a message of the role {message.Role}; text, reasoning, calls of functions and their results are supported");
            }
        }

        // A message of results only has become one for each of them; a tool's text beside them has no place in OpenAI's API.
        string text = message.Text;
        if (hasResults && calls.Count == 0 && (text.Length == 0 || message.Role == ChatRole.Tool))
        {
            return;
        }

        JsonObject written = new() { ["role"] = message.Role.Value, ["content"] = text.Length == 0 && calls.Count > 0 ? null : text };
        if (reasoning.Length > 0)
        {
            written["reasoning_content"] = reasoning;
        }

        if (calls.Count > 0)
        {
            written["tool_calls"] = new JsonArray([.. calls]);
        }

        result.Add(written);
    }

    private static JsonObject Call(FunctionCallContent call) => new()
    {
        ["id"] = call.CallId,
        ["type"] = "function",
        ["function"] = new JsonObject
        {
            ["name"] = call.Name,
            ["arguments"] = call.Arguments is { } arguments ? JsonSerializer.Serialize(arguments, CompactJson.Arguments) : "{}",
        },
    };

    private static string Text(FunctionResultContent outcome) => outcome.Result switch
    {
        null => "",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } json => json.GetString()!,
        TextContent content => content.Text,
        IEnumerable<AIContent> contents when contents.All(content => content is TextContent) => string.Concat(contents.OfType<TextContent>().Select(content => content.Text)),
        object other => JsonSerializer.Serialize(other, CompactJson.Value),
    };
}
