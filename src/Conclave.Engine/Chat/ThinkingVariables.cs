using System.Text.Json.Nodes;

namespace Conclave.Engine;

/// <summary>The variables by which chat templates are told whether to think: thinking in DeepSeek's and Kimi's, enable_thinking in GLM's.</summary>
public static class ThinkingVariables
{
    /// <summary>The variables. A template ignores those that it does not know.</summary>
    public static JsonObject Create(bool thinks) => new() { ["thinking"] = thinks, ["enable_thinking"] = thinks };
}
