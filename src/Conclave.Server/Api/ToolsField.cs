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
        bool parallel = body.Flag("parallel_tool_calls") ?? true;
        (ToolChoice choice, List<string>? allowed, bool isNamed) = Choice(body);

        // Who names a function asks for a call of it, as OpenAI has it, not for one or more.
        return new ChatTools(tools, definitions, choice, allowed, parallel && !isNamed);
    }

    private static (ToolChoice Choice, List<string>? Allowed, bool IsNamed) Choice(JsonBody body)
    {
        if (body.Element("tool_choice") is { ValueKind: not JsonValueKind.String } element)
        {
            JsonBody named = body.Object("tool_choice")!.Value;
            return named.String("type") == "allowed_tools" ? Allowed(named) : (ToolChoice.Required, [FunctionName(element, "tool_choice")], true);
        }

        return body.String("tool_choice") switch
        {
            null or "auto" => (ToolChoice.Auto, null, false),
            "none" => (ToolChoice.None, null, false),
            "required" => (ToolChoice.Required, null, false),
            string word => throw ApiException.Invalid($"tool_choice: '{word}' is not known; none, auto, required, a function or allowed_tools is expected", "tool_choice"),
        };
    }

    private static (ToolChoice Choice, List<string>? Allowed, bool IsNamed) Allowed(JsonBody choice)
    {
        const string Path = "tool_choice.allowed_tools";
        JsonBody allowed = choice.Object("allowed_tools") ?? throw ApiException.Invalid($"{Path}: an object with mode and tools is expected", "tool_choice");
        return (
            allowed.String("mode") switch
            {
                "auto" => ToolChoice.Auto,
                "required" => ToolChoice.Required,
                { } other => throw ApiException.Invalid($"{Path}.mode: '{other}' is not known; auto or required is expected", "tool_choice"),
                null => throw ApiException.Invalid($"{Path}.mode: auto or required is expected", "tool_choice"),
            },
            allowed.List("tools", RequestLimits.Tools, FunctionName) is { Count: > 0 } names
                ? names
                : throw ApiException.Invalid($"{Path}.tools: a list of at least one of the tools is expected", "tool_choice"),
            false);
    }

    private static string FunctionName(JsonElement element, string path) => JsonBody.Of(element, path).Object("function")?.String("name")
        ?? throw ApiException.Invalid($"{path}.function.name: the name of a function is expected", "tool_choice");

    private static ChatTool Tool(JsonElement element, string path)
    {
        JsonBody tool = JsonBody.Of(element, path);
        if (tool.String("type") is { } type and not "function")
        {
            throw ApiException.Invalid($"{path}.type: '{type}' is not supported; function is", "tools");
        }

        JsonBody function = tool.Object("function") ?? throw ApiException.Invalid($"{path}.function: an object with a name is expected", "tools");
        string name = function.String("name") ?? throw ApiException.Invalid($"{path}.function.name: a name is expected", "tools");

        // The answer's parser may need the schema when the body is gone.
        return new ChatTool(name, function.Object("parameters") is null ? null : function.Element("parameters")?.Clone(), function.Flag("strict") ?? false);
    }
}
