using System.Text.Json.Nodes;

namespace Conclave.Engine;

/// <summary>The variables by which chat templates are told whether to think: thinking in DeepSeek's and Kimi's, enable_thinking in GLM's, and how much: reasoning_effort.</summary>
public static class ThinkingVariables
{
    /// <summary>The effort of a model that does not think.</summary>
    public const string NoEffort = "none";

    /// <summary>The variables. A template ignores those that it does not know.</summary>
    /// <param name="effort">How much to think, in OpenAI's words.</param>
    public static JsonObject Create(string effort) =>
        new() { ["thinking"] = effort != NoEffort, ["enable_thinking"] = effort != NoEffort, ["reasoning_effort"] = effort };
}
