namespace Conclave.Engine;

/// <summary>The words that OpenAI and vLLM have for why answers end.</summary>
public static class FinishReasons
{
    /// <summary>vLLM's word where an answer ended for none of the reasons: something failed.</summary>
    internal const string Error = "error";

    /// <summary>The word for a reason.</summary>
    public static string Word(FinishReason reason) => reason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        FinishReason.Cancelled => "abort",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, message: null),
    };
}
