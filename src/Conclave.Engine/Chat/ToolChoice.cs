namespace Conclave.Engine;

/// <summary>Whether an answer calls tools.</summary>
public enum ToolChoice
{
    /// <summary>The model decides.</summary>
    Auto,

    /// <summary>It calls none, and the model is not told of any.</summary>
    None,

    /// <summary>It must call one: any, or the one that is named.</summary>
    Required,
}
