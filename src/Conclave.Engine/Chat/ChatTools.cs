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
    /// <param name="allowed">The names of those that may be called, or of which one must; null: all.</param>
    /// <param name="parallel">Whether more than one may be called.</param>
    /// <exception cref="UserErrorException">Two tools have one name, or what may or must be called is not there.</exception>
    public ChatTools(IReadOnlyList<ChatTool> tools, JsonArray? definitions, ToolChoice choice, IReadOnlyList<string>? allowed = null, bool parallel = true)
    {
        if (tools.GroupBy(tool => tool.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new UserErrorException($"tools: '{twice.Key}' is there twice");
        }

        Tools = choice == ToolChoice.None ? [] : tools;
        Definitions = Tools.Count > 0 ? definitions : null;
        Callable = allowed is null ? Tools : Named(Tools, allowed);
        MustCall = choice == ToolChoice.Required;
        Parallel = parallel;
        if (MustCall && Callable.Count == 0)
        {
            throw new UserErrorException("tool_choice: a tool is required, but there are no tools");
        }
    }

    /// <summary>The tools that the model is told of; empty where it may call none.</summary>
    public IReadOnlyList<ChatTool> Tools { get; }

    /// <summary>Those of them that it may call.</summary>
    public IReadOnlyList<ChatTool> Callable { get; }

    /// <summary>The tools for the template; null: none.</summary>
    public JsonArray? Definitions { get; }

    /// <summary>Whether it must call one of these; else it decides.</summary>
    public bool MustCall { get; }

    /// <summary>Whether more than one may be called.</summary>
    public bool Parallel { get; }

    private static IReadOnlyList<ChatTool> Named(IReadOnlyList<ChatTool> tools, IReadOnlyList<string> names) =>
        names.FirstOrDefault(name => !tools.Any(tool => tool.Name == name)) is { } unknown
            ? throw new UserErrorException($"tool_choice: '{unknown}' is not among the tools")
            : [.. tools.Where(tool => names.Contains(tool.Name))];
}
