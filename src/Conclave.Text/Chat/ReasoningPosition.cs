namespace Conclave.Text.Chat;

/// <summary>Where the end of a prompt stands: what is written next.</summary>
public enum ReasoningPosition
{
    /// <summary>The model may think, or answer at once.</summary>
    Before,

    /// <summary>The chat template has opened the tag: the model thinks.</summary>
    Inside,

    /// <summary>The chat template has closed the tag, as it does where thinking is switched off: the model answers.</summary>
    Behind,
}
