using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Engine;
using Conclave.Server.Http;
using Conclave.Text.Chat;

namespace Conclave.Server.Api;

/// <summary>The fields tools, tool_choice and parallel_tool_calls.</summary>
internal static class ToolsField
{
    public static ChatTools Read(JsonBody body)
    {
        List<ChatTool> tools = body.List("tools", RequestLimits.Tools, Tool) ?? [];
        JsonArray? definitions = tools.Count > 0 ? JsonArray.Create(body.Element("tools")!.Value) : null;
        (ToolChoice choice, string? required) = Choice(body);
        return new ChatTools(tools, definitions, choice, required, body.Flag("parallel_tool_calls") ?? true);
    }

    private static (ToolChoice Choice, string? Required) Choice(JsonBody body)
    {
        if (body.Element("tool_choice") is { ValueKind: not JsonValueKind.String })
        {
            return (ToolChoice.Required, body.Object("tool_choice")!.Value.Object("function")?.String("name")
                ?? throw ApiException.Invalid("tool_choice.function.name: the name of a function is expected", "tool_choice"));
        }

        return body.String("tool_choice") switch
        {
            null or "auto" => (ToolChoice.Auto, null),
            "none" => (ToolChoice.None, null),
            "required" => (ToolChoice.Required, null),
            string word => throw ApiException.Invalid($"tool_choice: '{word}' is not known; none, auto, required or a function is expected", "tool_choice"),
        };
    }

    private static ChatTool Tool(JsonElement element, string path)
    {
        JsonBody tool = JsonBody.Of(element, path);
        if (tool.String("type") is { } type and not "function")
        {
            throw ApiException.Invalid($"{path}.type: '{type}' is not supported; function is", "tools");
        }

        JsonBody function = tool.Object("function") ?? throw ApiException.Invalid($"{path}.function: an object with a name is expected", "tools");
        string name = function.String("name") ?? throw ApiException.Invalid($"{path}.function.name: a name is expected", "tools");
        return new ChatTool(name, function.Object("parameters") is null ? null : function.Element("parameters"), function.Flag("strict") ?? false);
    }
}
