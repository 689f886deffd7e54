using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Text.Chat;

namespace Conclave.Engine;

/// <summary>The tools of a chat request and whether they must be called.</summary>
public sealed class ChatTools
{
    /// <summary>Chooses among tools.</summary>
    /// <param name="tools">All tools of the request.</param>
    /// <param name="definitions">The same as OpenAI's API has them, for the template; null: none.</param>
    /// <param name="choice">Whether they are called.</param>
    /// <param name="required">The one that must be called, where one must; null: any.</param>
    /// <param name="parallel">Whether more than one may be called.</param>
    /// <exception cref="UserErrorException">Two tools have one name, or what must be called is not there.</exception>
    public ChatTools(IReadOnlyList<ChatTool> tools, JsonArray? definitions, ToolChoice choice, string? required = null, bool parallel = true)
    {
        if (tools.GroupBy(tool => tool.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new UserErrorException($"tools: '{twice.Key}' is there twice");
        }

        Tools = choice == ToolChoice.None ? [] : tools;
        Definitions = Tools.Count > 0 ? definitions : null;
        Forced = choice == ToolChoice.Required ? Required(tools, required) : [];
        Parallel = parallel;
    }

    /// <summary>The tools that may be called; empty where none may.</summary>
    public IReadOnlyList<ChatTool> Tools { get; }

    /// <summary>The tools for the template; null: none.</summary>
    public JsonArray? Definitions { get; }

    /// <summary>The tools of which one must be called; empty where the model decides.</summary>
    public IReadOnlyList<ChatTool> Forced { get; }

    /// <summary>Whether more than one may be called.</summary>
    public bool Parallel { get; }

    private static IReadOnlyList<ChatTool> Required(IReadOnlyList<ChatTool> tools, string? name)
    {
        if (name is null)
        {
            return tools.Count > 0 ? tools : throw new UserErrorException("tool_choice: a tool is required, but there are no tools");
        }

        return [tools.FirstOrDefault(tool => tool.Name == name) ?? throw new UserErrorException($"tool_choice: '{name}' is not among the tools")];
    }
}
