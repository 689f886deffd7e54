using System.Text.Json.Nodes;
using Conclave.Text.Chat;

namespace Conclave.Engine;

/// <summary>The ids of calls in a conversation. Clients have them from other models too, or make up their own; Kimi K2 knows only by them what was called.</summary>
internal static class CallIds
{
    /// <summary>Gives calls the ids that their format needs, and results those of their calls; a result without an id answers the first call that has no answer yet.</summary>
    public static void Renumber(JsonArray messages, ToolCallFormat format)
    {
        HashSet<string> taken = [.. messages.OfType<JsonObject>().SelectMany(TemplateMessages.Calls).Select(call => Text(call["id"])).OfType<string>()];
        Dictionary<string, string> renamed = [];
        List<string> unanswered = [];
        int number = 0;
        foreach (JsonObject message in messages.OfType<JsonObject>())
        {
            foreach (JsonObject call in TemplateMessages.Calls(message))
            {
                string? given = Text(call["id"]);
                string? id = format.IdInConversation(Text(call["function"]?["name"]) ?? "", given, number++, taken);
                if (id is not null)
                {
                    taken.Add(id);
                    unanswered.Add(id);
                    renamed[given ?? id] = id;
                    call["id"] = id;
                }
            }

            if (Text(message["role"]) == "tool" && (Text(message["tool_call_id"]) is { } answered ? renamed.GetValueOrDefault(answered) : unanswered.FirstOrDefault()) is { } known)
            {
                unanswered.Remove(known);
                message["tool_call_id"] = known;
            }
        }
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
